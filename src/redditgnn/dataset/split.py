"""The split into training, validation and test nodes: from the files, or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray
from typing_extensions import TypedDict

from redditgnn.dataset.arrays import numbers
from redditgnn.dataset.base import MASKS, Labels, Mask
from redditgnn.dataset.validation import is_labelled
from redditgnn.errors import ConfigError, DataError

# Sizes as in the files: a later check compares them.
Masks = tuple[
    Bool[ndarray, " train"] | None, Bool[ndarray, " val"] | None, Bool[ndarray, " test"] | None
]
MaskTable = Bool[ndarray, "nodes _splits"]  # masks of one graph may differ in their splits


class SplitSettings(TypedDict):
    """The keys of a split."""

    split: Literal["public", "random", "ratio"]
    split_index: int
    split_seed: int
    train_per_class: int
    val_per_class: int
    train_ratio: float | None
    val_ratio: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRule:
    """The rule of a split.

    `public` uses mask number `index`. `random` draws nodes of each class with `seed`, `ratio` draws
    shares of all nodes.
    """

    kind: Literal["public", "random", "ratio"]
    index: int
    seed: int
    train_per_class: int
    val_per_class: int
    train_ratio: float | None = None
    val_ratio: float | None = None

    @classmethod
    def of(cls, settings: SplitSettings) -> SplitRule:
        values: dict[str, Any] = {**settings}
        kind, index, seed = (values.pop(key) for key in ("split", "split_index", "split_seed"))
        return cls(kind=kind, index=index, seed=seed, **values)

    def masks(
        self,
        tables: Sequence[MaskTable | None],
        y: Labels,
        graph_ids: Int64[ndarray, " nodes"] | None = None,
        classes: Sequence[str] | None = None,
    ) -> Masks:
        """Return the masks of training, validation and test nodes, None where the files lack one.

        `graph_ids`: the graph of each node, where several were joined. `ratio` then draws graphs.
        `classes`: their names, for messages.

        Raises:
            ConfigError: there is no split of this number, or a class is too small to draw from.
        """
        self._check_ratios()
        if self.kind == "public":
            return self._select_public(tables)
        if self.kind == "ratio":
            assert self.train_ratio is not None
            assert self.val_ratio is not None
            return draw_by_ratio(y, self.train_ratio, self.val_ratio, self.seed, graph_ids)
        if y.ndim == 2:
            raise ConfigError("dataset.split=random needs one label per node; use split=ratio")
        return draw_per_class(y, self.train_per_class, self.val_per_class, self.seed, classes)

    def _check_ratios(self) -> None:
        ratios = (self.train_ratio, self.val_ratio)
        if self.kind != "ratio" and ratios != (None, None):
            raise ConfigError(
                "dataset.train_ratio and val_ratio need dataset.split=ratio, got "
                f"dataset.split={self.kind}; set it, or leave them out"
            )
        if self.kind == "ratio" and None in ratios:
            raise ConfigError(
                "dataset.split=ratio needs dataset.train_ratio and dataset.val_ratio, e.g. 0.6 and "
                "0.2; the rest is for tests"
            )

    def _select_public(self, tables: Sequence[MaskTable | None]) -> Masks:
        """Select one column of each mask. A mask with a single column serves every split."""
        num_splits = count_splits(tables)
        sizes = [0 if table is None else table.shape[1] for table in tables]
        if not {0, 1, num_splits}.issuperset(sizes):
            raise ConfigError(
                f"dataset.split_index: the masks have {', '.join(map(str, sizes))} splits; give "
                "all three the same number, or one for all splits"
            )
        if not 0 <= self.index < num_splits:
            raise ConfigError(f"dataset.split_index must be in [0, {num_splits}), got {self.index}")
        train, val, test = (
            None if table is None else table[:, min(self.index, table.shape[1] - 1)]
            for table in tables
        )
        return train, val, test


def count_splits(tables: Sequence[MaskTable | None]) -> int:
    """Return how many splits the masks of the files hold."""
    return max((table.shape[1] for table in tables if table is not None), default=1)


def mask_tables(name: str, data: Any, num_nodes: int) -> list[MaskTable | None]:
    """Return the masks of `data` with a column for each split, None where it has none.

    Raises:
        DataError: a mask has another shape, or numbers other than 0 and 1.
    """
    values = [getattr(data, key, None) for key in MASKS]
    return [
        None if value is None else _mask_table(name, key, value, num_nodes)
        for key, value in zip(MASKS, values, strict=True)
    ]


def _mask_table(name: str, key: str, value: Any, num_nodes: int) -> MaskTable:
    array = numbers(name, key, value)
    if array.ndim > 2 or len(array) != num_nodes or array[:1].size == 0:
        raise DataError(
            f"dataset={name}: the files have no usable {key}: its shape is {list(array.shape)} "
            f"and must be [{num_nodes}] or [{num_nodes}, splits]; {_mask_remedy(array, num_nodes)}"
            ", or set dataset.split=random"
        )
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise DataError(
            f"dataset={name}: the files have no usable {key}: it must be true or false, or 1 or 0, "
            f"for every node, it holds {array[wrong][0]:g}"
        )
    return array.astype(bool).reshape(num_nodes, array.shape[1] if array.ndim > 1 else 1)


def _mask_remedy(array: ndarray, num_nodes: int) -> str:
    if array.ndim == 2 and array.shape[1] == num_nodes:
        return "transpose it"
    if array.ndim == 1 and array.dtype.kind in "iu" and len(array) < num_nodes:
        return "node numbers become a mask by torch_geometric.utils.index_to_mask"
    return "make it true or false for every node"


def refuse_missing_masks(name: str, graphs: Sequence[Any]) -> None:
    """Refuse graphs without one of the masks, and name what they have in its place.

    Raises:
        DataError: names the mask and the ways out.
    """
    draw = "set dataset.split=random"
    if len(graphs) > 1:
        draw = (
            "draw whole graphs: dataset.split=ratio dataset.train_ratio=0.6 dataset.val_ratio=0.2"
        )
    for number, data in enumerate(graphs):
        for key in MASKS:
            if getattr(data, key, None) is not None:
                continue
            start, names = key.partition("_")[0], map(str, data.keys())
            near = [other for other in names if other.startswith(start) or other == "split_idx"]
            whose = f"graph {number} of {len(graphs)} has" if len(graphs) > 1 else "the files have"
            beside = f" but {near[0]}; make it a mask called {key}, or" if near else ";"
            raise DataError(f"dataset={name}: {whose} no usable {key}{beside} {draw}")


def draw_per_class(
    y: Int64[ndarray, " nodes"],
    train_per_class: int,
    val_per_class: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> tuple[Mask, Mask, Mask]:
    """Draw training and validation nodes per class. The rest is for tests (arXiv:1811.05868)."""
    if train_per_class < 1 or val_per_class < 1:
        raise ConfigError(
            "dataset.train_per_class and val_per_class must be at least 1, got "
            f"{train_per_class} and {val_per_class}"
        )
    check_seed(seed)
    per_class, labelled = train_per_class + val_per_class, y >= 0
    classes, sizes = np.unique(y[labelled], return_counts=True)
    if len(sizes) and sizes.min() < per_class:
        smallest = int(classes[sizes.argmin()])
        raise ConfigError(
            f"dataset.train_per_class + val_per_class must be at most {sizes.min()}, the size of "
            f"class {smallest if names is None else names[smallest]}, got {per_class}; lower them, "
            "or use split=ratio"
        )
    rng = np.random.default_rng(seed)
    train, val = np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    for label in classes:
        nodes = rng.permutation(np.flatnonzero(y == label))[:per_class]
        train[nodes[:train_per_class]] = True
        val[nodes[train_per_class:]] = True
    return train, val, labelled & ~(train | val)


def draw_by_ratio(
    y: Labels,
    train_ratio: float,
    val_ratio: float,
    seed: int,
    graph_ids: Int64[ndarray, " nodes"] | None = None,
) -> tuple[Mask, Mask, Mask]:
    """Draw shares of the labelled nodes, or of the graphs that they are in. The rest is for tests.

    Raises:
        ConfigError: a share is not between 0 and 1, or one of the three splits would be empty.
    """
    check_ratios(train_ratio, val_ratio)
    check_seed(seed)
    labelled = is_labelled(y)
    units = np.arange(len(y)) if graph_ids is None else graph_ids
    drawn = np.random.default_rng(seed).permutation(np.unique(units[labelled]))
    ends = np.rint(np.cumsum([train_ratio, val_ratio]) * len(drawn)).astype(int)
    parts = np.split(drawn, ends)
    if min(map(len, parts)) == 0:
        kind = "labelled nodes" if graph_ids is None else "graphs"
        raise ConfigError(
            f"dataset.train_ratio={train_ratio:g} and dataset.val_ratio={val_ratio:g} leave a "
            f"split of {len(drawn)} {kind} empty; choose other shares"
        )
    train, val, test = (labelled & np.isin(units, part) for part in parts)
    return train, val, test


def check_ratios(train_ratio: float, val_ratio: float) -> None:
    """Refuse shares that leave nothing for one of the three splits."""
    if not (train_ratio > 0 and val_ratio > 0 and train_ratio + val_ratio < 1):
        raise ConfigError(
            "dataset.train_ratio and dataset.val_ratio must be above 0 and below 1 together, got "
            f"{train_ratio:g} and {val_ratio:g}; the rest is for tests"
        )


def check_seed(seed: int) -> None:
    """Refuse a negative seed of a split."""
    if seed < 0:
        raise ConfigError(f"dataset.split_seed must be at least 0, got {seed}")
