"""A converted graph on disk: one .npy per array and meta.json, mapped into memory when loaded.

Parallel processes share one copy in the page cache, and only one of them converts. A cache that
was truncated or altered, or is older than its raw files, is noticed and made anew.

The arrays are what was converted, features in float32. A copy of the features in 16 bits is written
beside them when it is first asked for, and mapped like them from then on.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from redditgnn.dataset.base import MASKS, Converted
from redditgnn.dataset.half_precision import DTYPES, FeatureDtype, in_16_bits
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint, short_hash
from redditgnn.runtime.files import whole_file, whole_folder

FOLDER = "redditgnn-cache"
OF_ITS_LOADING = ("data_dir", "feature_dtype")  # arguments that do not change what is converted
_FORMAT = 2  # raise it when a conversion changes its result
_ARRAYS = ("x", "rowptr", "col", "y", *MASKS)
_LOG = logging.getLogger(__name__)


class _Unusable(Exception):
    """Why a cache that exists cannot be used."""


def cached(
    data_dir: Path,
    name: str,
    parameters: Mapping[str, Any],
    convert: Callable[[], Converted],
    feature_dtype: FeatureDtype = "fp32",
) -> GraphData:
    """Load the graph that these `parameters` stand for, converting it first where necessary.

    Features in 16 bits are another fingerprint: scores may differ.

    Raises:
        DataError: the cache cannot be written, or whatever `convert` raises.
        ConfigError: `name` is no file name, or a feature too large for `feature_dtype`.
    """
    graph = _as_converted(data_dir, name, parameters, convert)
    return graph if feature_dtype == "fp32" else _narrowed(graph, feature_dtype)


def _as_converted(
    data_dir: Path,
    name: str,
    parameters: Mapping[str, Any],
    convert: Callable[[], Converted],
) -> GraphData:
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


def _narrowed(graph: GraphData, feature_dtype: FeatureDtype) -> GraphData:
    folder = graph.cache_dir
    assert folder is not None, "what was just loaded has a folder"
    bits = _load_copy(folder, feature_dtype)
    if bits is None:
        with _lock(folder, graph.name):
            # Another process may have written it while this one waited.
            if (bits := _load_copy(folder, feature_dtype)) is None:
                bits = in_16_bits(graph.name, graph.x, feature_dtype)
                try:
                    _write_copy(folder, feature_dtype, bits)
                except OSError as error:
                    raise _unwritable(folder, graph.name, error) from error
                bits = _load_copy(folder, feature_dtype)
    if bits is None:
        raise DataError(
            f"dataset={graph.name}: {folder} changes while it is read; run one command only"
        )
    x = torch.from_numpy(bits).view(DTYPES[feature_dtype])
    features = f"{graph.fingerprint.features}-{feature_dtype}"
    return replace(graph, x=x, fingerprint=replace(graph.fingerprint, features=features))


def _load_copy(folder: Path, feature_dtype: FeatureDtype) -> np.ndarray | None:
    """Map the features in 16 bits; None if there are none, or they were damaged."""
    key = f"x-{feature_dtype}"
    try:
        meta = json.loads((folder / f"{key}.json").read_text())
        return _mapped(folder, key, meta)
    except (_Unusable, OSError, ValueError, KeyError, TypeError):
        return None


def _write_copy(folder: Path, feature_dtype: FeatureDtype, bits: np.ndarray) -> None:
    """Write the array, then its facts, which vouch for it."""
    key = f"x-{feature_dtype}"
    path = folder / f"{key}.npy"
    with whole_file(path) as file:
        np.save(file, bits, allow_pickle=False)
    facts = {"arrays": {key: _facts_of(path, bits)}}
    with whole_file(folder / f"{key}.json") as file:
        file.write(json.dumps(facts).encode())


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
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError(str(error)) from error
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
        fingerprint=Fingerprint.of(meta["fingerprint"]),
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
    with whole_folder(folder) as partial:
        arrays = {key: _save(partial / f"{key}.npy", made.arrays[key]) for key in _ARRAYS}
        data_dir = folder.parents[1]
        meta = {
            "num_classes": made.num_classes,
            "fingerprint": asdict(_fingerprint(made, arrays)),
            "arrays": arrays,
            "raw_files": {os.path.relpath(path, data_dir): _stamp(path) for path in made.raw_files},
            **made.facts,
        }
        (partial / "meta.json").write_text(json.dumps(meta, indent=1))


def _fingerprint(made: Converted, saved: Mapping[str, Mapping[str, Any]]) -> Fingerprint:
    def told(size: object, *names: str) -> str:
        return f"{size}:{short_hash(*(saved[name]['digest'] for name in names))}"

    arrays = made.arrays
    return Fingerprint(
        edges=told(len(arrays["col"]), "rowptr", "col"),
        features=told(arrays["x"].shape[1], "x"),
        labels=told(made.num_classes, "y"),
        split=told("/".join(str(arrays[mask].sum()) for mask in MASKS), *MASKS),
    )


def _save(path: Path, array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array)
    np.save(path, array, allow_pickle=False)
    return _facts_of(path, array)


def _facts_of(path: Path, array: np.ndarray) -> dict[str, Any]:
    """Return the facts by which a later process knows that `path` still holds `array`."""
    size, modified = _stamp(path)
    return {"size": size, "modified_ns": modified, "digest": _digest(array)}


def _digest(array: np.ndarray) -> str:
    """Hash type, shape and content."""
    state = hashlib.blake2b(f"{array.dtype}{array.shape}".encode(), digest_size=16)
    if array.size:
        state.update(array.reshape(-1).view(np.uint8).data)
    return state.hexdigest()


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
