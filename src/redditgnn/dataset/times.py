"""Times of nodes and edges, checked, and those of Reddit's posts from their ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from redditgnn.errors import DataError
from redditgnn.graph.timeline import Times

SPLIT = "split"  # a value of dataset.times: training nodes are of epoch 0, all others of epoch 1
IDS_A_DAY = 156_892  # that Reddit gave to posts in September 2014
DAY_S = 86_400


def check_times(name: str, key: str, times: ndarray | None, size: int) -> None:
    """Refuse times that are not one for each of `size` nodes or edges, int64 or float64, finite.

    `key` is `node_time` or `edge_time`.

    Raises:
        DataError: names the first unusable time.
    """
    if times is None:
        return
    kind = f"{key.removesuffix('_time')}s"
    if times.shape != (size,):
        raise DataError(
            f"dataset={name}: {key}: each of {size:,} {kind} needs one time, got the shape "
            f"{list(times.shape)}"
        )
    if times.dtype not in (np.int64, np.float64):
        raise DataError(
            f"dataset={name}: {key} must be stored as int64 or float64, got {times.dtype}"
        )
    finite = np.isfinite(times)
    if not finite.all():
        position = int(np.argmin(finite))
        raise DataError(
            f"dataset={name}: {key} must be finite, number {position:,} of the {kind} has "
            f"{times[position]:g}; give every one a time, or leave times out"
        )


def times_path(times: str | None) -> Path | None:
    """Return the file that `dataset.times` names, None if it names none."""
    return None if times in (None, SPLIT) else Path(str(times)).absolute()


def read_node_times(
    name: str, times: str | None, masks: Sequence[Bool[ndarray, " nodes"]], *, is_public: bool
) -> Times | None:
    """Return the time of each node that `dataset.times` says: None, `split` or a path.

    A path is that of `reddit-id_map.json`. Its times are seconds since the first post. `masks` are
    the split, which is that of the files if `is_public`.

    Raises:
        DataError: the file is missing, damaged, or of another graph.
    """
    path = times_path(times)
    if path is None:
        return None if times is None else np.where(masks[0], 0, 1).astype(np.int64)
    ids = _read_id_map(name, path, len(masks[0]))
    if is_public:
        newest, oldest = int(ids[masks[0]].max()), int(ids[masks[1] | masks[2]].min())
        if newest >= oldest:
            raise DataError(
                f"{_where(name, path)} is not of this graph: its training post "
                f"{np.base_repr(newest, 36).lower()} is newer than "
                f"{np.base_repr(oldest, 36).lower()} of validation or test; give the "
                "reddit-id_map.json of GraphSAGE's release"
            )
    return (ids - ids.min()) * (DAY_S / IDS_A_DAY)


def _where(name: str, path: Path) -> str:
    return f"dataset={name}: dataset.times={path}"


def _read_id_map(name: str, path: Path, num_nodes: int) -> Int64[ndarray, " nodes"]:
    """Return the id of each node's post, a whole number: keys are base 36, values are nodes."""
    where = _where(name, path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is no JSON: {error}"
        raise DataError(
            f"{where} cannot be read ({reason}); give the path of reddit-id_map.json, or "
            "dataset.times=split"
        ) from error
    if not isinstance(content, Mapping) or len(content) != num_nodes:
        size = f"{len(content):,} keys" if isinstance(content, Mapping) else "no keys"
        raise DataError(f"{where} must map {num_nodes:,} posts to nodes, it has {size}")
    nodes = np.array(list(content.values()))
    if nodes.dtype.kind != "i" or not np.array_equal(np.sort(nodes), np.arange(num_nodes)):
        raise DataError(f"{where} must have each node from 0 to {num_nodes - 1:,} once as a value")
    ids = np.empty(num_nodes, dtype=np.int64)
    ids[nodes] = [_id_of(where, key) for key in content]
    return ids


def _id_of(where: str, key: str) -> int:
    if not (key.isascii() and key.isalnum() and len(key) <= 9):
        raise DataError(f"{where} must have ids of posts in base 36 as keys, it has {key!r}")
    return int(key, 36)
