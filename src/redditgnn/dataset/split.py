"""The split into training, validation and test nodes: from the files, or drawn per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from redditgnn.dataset.base import MASKS, Labels, Mask
from redditgnn.errors import ConfigError

# Sizes as in the files: a later check compares them.
Masks = tuple[
    Bool[ndarray, " train"] | None, Bool[ndarray, " val"] | None, Bool[ndarray, " test"] | None
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRule:
    """The rule of a split: `public` uses mask number `index`, `random` draws with `seed`."""

    kind: Literal["public", "random"]
    index: int
    seed: int
    train_per_class: int
    val_per_class: int

    def masks(self, data: Any, y: Labels) -> Masks:
        """Return the masks of training, validation and test nodes, None where the files lack one.

        Raises:
            ConfigError: there is no split of this number, or a class is too small to draw from.
        """
        if self.kind == "public":
            return self._select_public([getattr(data, key, None) for key in MASKS])
        if y.ndim == 2:
            raise ConfigError("dataset.split=random needs one label per node; use split=public")
        return draw_per_class(y, self.train_per_class, self.val_per_class, self.seed)

    def _select_public(self, masks: Sequence[Any]) -> Masks:
        """Select one column of each mask. A mask with a single column serves every split."""
        tables = [None if m is None else _split_columns(m.numpy()) for m in masks]
        num_splits = _count_columns(masks)
        if not 0 <= self.index < num_splits:
            raise ConfigError(f"dataset.split_index must be in [0, {num_splits}), got {self.index}")
        train, val, test = (
            None if table is None else table[:, min(self.index, table.shape[1] - 1)]
            for table in tables
        )
        return train, val, test


def count_public_splits(data: Any) -> int:
    """Return how many splits the masks of a graph from the files hold."""
    return _count_columns([getattr(data, key, None) for key in MASKS])


def _count_columns(masks: Sequence[Any]) -> int:
    return max((m.shape[1] for m in masks if m is not None and m.ndim > 1), default=1)


def _split_columns(mask: ndarray) -> Bool[ndarray, "nodes splits"]:
    return mask.astype(bool).reshape(len(mask), mask.shape[1] if mask.ndim > 1 else 1)


def draw_per_class(
    y: Int64[ndarray, " nodes"], train_per_class: int, val_per_class: int, seed: int
) -> tuple[Mask, Mask, Mask]:
    """Draw training and validation nodes per class. The rest is for tests (arXiv:1811.05868)."""
    if train_per_class < 1 or val_per_class < 1:
        raise ConfigError(
            "dataset.train_per_class and val_per_class must be at least 1, got "
            f"{train_per_class} and {val_per_class}"
        )
    if seed < 0:
        raise ConfigError(f"dataset.split_seed must be at least 0, got {seed}")
    per_class, sizes = train_per_class + val_per_class, np.bincount(y)
    if sizes.min() < per_class:
        raise ConfigError(
            f"dataset.train_per_class + val_per_class must be at most {sizes.min()}, the size of "
            f"class {sizes.argmin()}, got {per_class}"
        )
    rng = np.random.default_rng(seed)
    train, val = np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    for label in range(len(sizes)):
        nodes = rng.permutation(np.flatnonzero(y == label))[:per_class]
        train[nodes[:train_per_class]] = True
        val[nodes[train_per_class:]] = True
    return train, val, ~(train | val)
