"""The split of nodes from a column, or drawn from the nodes that have labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from redditgnn.dataset.base import Labels, Mask
from redditgnn.dataset.label_columns import encode
from redditgnn.dataset.node_ids import NodeIds
from redditgnn.dataset.split import check_ratios, check_seed, draw_by_ratio, draw_per_class
from redditgnn.dataset.tables import MISSING
from redditgnn.dataset.validation import is_labelled
from redditgnn.errors import ConfigError, DataError

SplitKind = Literal["auto", "public", "ratio", "per_class", "random"]
_WORDS = {
    **dict.fromkeys(("train", "training", "tr"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing", "te"), 2),
}
_BLANKS = (*MISSING, "-1", "-1.0", "unlabelled", "unlabeled")
_FROM_0 = {"0": 0, "1": 1, "2": 2}
_FROM_1 = {"0": -1, "1": 0, "2": 1, "3": 2}
_FLAGS = {"1": True, "true": True, "1.0": True, "0": False, "false": False, "0.0": False, "": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawRule:
    """How nodes are drawn: shares of those with labels, or so many of each class."""

    kind: SplitKind
    seed: int
    train_per_class: int
    val_per_class: int
    train_ratio: int | float
    val_ratio: int | float

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_ratios(self.train_ratio, self.val_ratio)

    def draw(self, y: Labels, classes: Sequence[str]) -> tuple[Mask, Mask, Mask]:
        """Draw masks of training, validation and test nodes. Nodes without labels are in none."""
        if self.kind not in ("per_class", "random"):
            return draw_by_ratio(y, self.train_ratio, self.val_ratio, self.seed)
        if y.ndim == 2:
            raise ConfigError(
                f"dataset.split={self.kind} needs one label per node; use dataset.split=ratio"
            )
        return draw_per_class(y, self.train_per_class, self.val_per_class, self.seed, classes)


def read_split(
    where: str, columns: Mapping[str, Any], y: Labels, ids: NodeIds
) -> tuple[Mask, Mask, Mask]:
    """Read the split from one column of words or numbers, or from three masks.

    Raises:
        DataError: a cell is neither, or a node of the split has no label.
    """
    if len(columns) == 3:
        train, val, test = (_read_mask(where, *column, ids) for column in columns.items())
    else:
        ((name, array),) = columns.items()
        train, val, test = _read_words(where, name, array, ids)
    for split, mask in (("training", train), ("validation", val), ("test", test)):
        _refuse_unlabelled(where, split, mask & ~is_labelled(y), ids)
    return train, val, test


def _read_words(where: str, name: str, array: Any, ids: NodeIds) -> tuple[Mask, Mask, Mask]:
    values, code = encode(where, name, array)
    cells = [value.lower().removesuffix(".0") for value in values]
    rest = {cell for cell in cells if cell not in _BLANKS}
    known = next((k for k in (_WORDS, _FROM_0, _FROM_1) if _fits(rest, k)), None)
    if known is None:
        raise DataError(
            f"{where}: the split in {name!r} must be train, val or test (or 0, 1, 2, or 1, 2, 3), "
            f"and have all three, {_strange(rest, cells, code, ids)}; correct it, or set "
            "dataset.split=ratio to draw one"
        )
    part = np.array([known.get(cell, -1) for cell in cells], dtype=np.int8)[code]
    return part == 0, part == 1, part == 2


def _strange(rest: set[str], cells: list[str], code: ndarray, ids: NodeIds) -> str:
    """Describe a cell that is no part of a split, or all cells if each is one."""
    for cell in sorted(rest - _WORDS.keys()):
        return f"node {ids.names[int(np.argmax(code == cells.index(cell)))]} has {cell!r}"
    return f"the cells are {', '.join(sorted(rest)) or 'blank'}"


def _fits(cells: set[str], known: Mapping[str, int]) -> bool:
    return cells <= known.keys() and {known[cell] for cell in cells} >= {0, 1, 2}


def _read_mask(where: str, name: str, array: Any, ids: NodeIds) -> Mask:
    values, code = encode(where, name, array)
    for position, value in enumerate(values):
        if value.lower() not in _FLAGS:
            node = ids.names[int(np.argmax(code == position))]
            raise DataError(
                f"{where}: {name!r} must be 0 or 1, or true or false, node {node} has {value!r}; "
                "correct it, or set dataset.split=ratio to draw a split"
            )
    return np.array([_FLAGS[value.lower()] for value in values], dtype=bool)[code]


def _refuse_unlabelled(where: str, split: str, mask: Mask, ids: NodeIds) -> None:
    if mask.any():
        raise DataError(
            f"{where}: {int(mask.sum()):,} nodes of the {split} split have no label, the first is "
            f"{ids.names[int(np.argmax(mask))]}; leave their split blank: they can still be "
            "predicted"
        )
