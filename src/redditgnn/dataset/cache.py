"""A converted graph on disk: one .npy per array and meta.json, mapped into memory when loaded.

Parallel processes share one copy in the page cache, and only one of them converts. A cache that
was truncated or altered, or is older than its raw files, is noticed and made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from redditgnn.dataset.checked import MASKS, Converted
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph import GraphData

FOLDER = "redditgnn-cache"
_FORMAT = 1  # raise it when a conversion changes its result
_ARRAYS = ("x", "rowptr", "col", "y", *MASKS)
_LOG = logging.getLogger(__name__)


class _Unusable(Exception):
    """Why a cache that exists cannot be used."""


def cached(
    data_dir: Path,
    name: str,
    parameters: Mapping[str, Any],
    convert: Callable[[], Converted],
) -> GraphData:
    """Load the graph that these `parameters` stand for, converting it first where necessary.

    Raises:
        DataError: the cache cannot be written, or whatever `convert` raises.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"dataset.name must be a plain file name, got {name!r}")
    folder = data_dir / FOLDER / f"{name}-{_key(parameters)}"
    if (graph := _load(folder, name, warn=False)) is not None:
        return graph
    with _lock(folder, name):
        # Another process may have converted it while this one waited.
        if (graph := _load(folder, name, warn=True)) is not None:
            return graph
        made = convert()
        try:
            _write(folder, made)
        except OSError as error:
            raise _unwritable(folder, name, error) from error
    graph = _load(folder, name, warn=True)
    if graph is None:
        raise DataError(f"dataset={name}: {folder} changes while it is read; run one command only")
    return graph


def _key(parameters: Mapping[str, Any]) -> str:
    text = json.dumps([_FORMAT, dict(parameters)], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _lock(folder: Path, name: str) -> AbstractContextManager[Any]:
    """Hold the one lock of a dataset: two ways to load it write the same files beside raw/."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(folder.with_name(f".{name}.lock")).acquire()
    except OSError as error:
        raise _unwritable(folder, name, error) from error


def _unwritable(folder: Path, name: str, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"dataset={name}: {folder.parent} cannot be written ({reason}); set data_dir to a folder "
        "with write permission and free space"
    )


def _load(folder: Path, name: str, *, warn: bool) -> GraphData | None:
    if not folder.is_dir():
        return None
    try:
        meta = json.loads((folder / "meta.json").read_text())
        _check_raw_files(folder.parents[1], meta["raw_files"])
        arrays = {key: _mapped(folder, key, meta) for key in _ARRAYS}
        return _graph(folder, name, meta, arrays)
    except (_Unusable, OSError, ValueError, KeyError, TypeError) as error:
        if warn:
            _LOG.warning("dataset=%s: %s is made anew: %s", name, folder, error)
        return None


def _graph(
    folder: Path, name: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> GraphData:
    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return GraphData(
        name=name,
        num_classes=meta["num_classes"],
        fingerprint=meta["fingerprint"],
        cache_dir=folder,
        **tensors,
    )


def _check_raw_files(data_dir: Path, recorded: Mapping[str, list[int]]) -> None:
    """Compare size and time of the raw files; those that were deleted to save space are fine."""
    for relative, stamp in recorded.items():
        path = data_dir / relative
        if path.exists() and _stamp(path) != stamp:
            raise _Unusable(f"{relative} has changed since")


def _mapped(folder: Path, key: str, meta: Mapping[str, Any]) -> np.ndarray:
    """Map one array; its content is hashed only if the file was touched since it was written."""
    path = folder / f"{key}.npy"
    size, modified = _stamp(path)
    recorded = meta["arrays"][key]
    if size != recorded["size"]:
        raise _Unusable(f"{path.name} has {size:,} bytes instead of {recorded['size']:,}")
    array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    if modified != recorded["modified_ns"] and _digest(array) != recorded["digest"]:
        raise _Unusable(f"{path.name} was altered")
    return array


def _write(folder: Path, made: Converted) -> None:
    """Write beside `folder`, flush to disk, then rename: no half-written cache can be seen."""
    for stale in folder.parent.glob(f"{folder.name}.tmp*"):
        shutil.rmtree(stale)
    partial = folder.with_name(f"{folder.name}.tmp{os.getpid()}")
    partial.mkdir()
    arrays = {key: _save(partial / f"{key}.npy", made.arrays[key]) for key in _ARRAYS}
    data_dir = folder.parents[1]
    digests = "".join(facts["digest"] for facts in arrays.values()) + str(made.num_classes)
    meta = {
        "num_classes": made.num_classes,
        "fingerprint": hashlib.blake2b(digests.encode(), digest_size=8).hexdigest(),
        "arrays": arrays,
        "raw_files": {os.path.relpath(path, data_dir): _stamp(path) for path in made.raw_files},
        **made.facts,
    }
    with (partial / "meta.json").open("w") as file:
        json.dump(meta, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    _flush_folder(folder.parent)


def _save(path: Path, array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    size, modified = _stamp(path)
    return {"size": size, "modified_ns": modified, "digest": _digest(array)}


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(array: np.ndarray) -> str:
    """Hash type, shape and content."""
    state = hashlib.blake2b(f"{array.dtype}{array.shape}".encode(), digest_size=16)
    if array.size:
        state.update(array.reshape(-1).view(np.uint8).data)
    return state.hexdigest()


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
