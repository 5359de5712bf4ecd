"""A converted graph on disk: one .npy per array and meta.json, mapped into memory when loaded.

Features are one array, or four if only their non-zeros are stored.

Parallel processes share one copy in the page cache, and only one of them converts. A cache is
rebuilt if it was truncated or altered, or is older than its raw files.

Features are stored in float32. The first load with features in 16 bits adds a copy of them in that
format, which later loads map into memory as well.
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

from redditgnn.dataset.base import MASKS, ConvertedGraph
from redditgnn.dataset.digests import fingerprint_of
from redditgnn.dataset.feature_storage import digest_of, feature_keys, features_of
from redditgnn.dataset.half_precision import FeatureDtype, features_from_bits, round_to_16_bits
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.data import TIMES, GraphData, Names
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.runtime.files import whole_file, whole_folder

FOLDER = "redditgnn-cache"
LOADING_KEYS = ("data_dir", "feature_dtype")  # arguments that do not change the conversion
_FORMAT = 3  # raise it when a conversion changes its result
_ARRAYS = ("rowptr", "col", "y", *MASKS)
_OPTIONAL_ARRAYS = ("edge_weight", *TIMES, "node_names")
_NO_FACTS = ("num_classes", "fingerprint", "feature_names", "class_names", "arrays", "raw_files")
_LOG = logging.getLogger(__name__)


class _UnusableCache(Exception):
    """A cache exists and cannot be used. The text is the reason."""


def cached(
    data_dir: Path,
    name: str,
    parameters: Mapping[str, Any],
    convert: Callable[[], ConvertedGraph],
    feature_dtype: FeatureDtype = "fp32",
) -> GraphData:
    """Load the graph with these `parameters`, and convert it first where necessary.

    Features in 16 bits have another fingerprint, since scores may differ.

    Raises:
        DataError: the cache cannot be written, or an error of `convert`.
        ConfigError: `name` is no file name, or a feature is too large for `feature_dtype`.
    """
    graph = _load_or_convert(data_dir, name, parameters, convert)
    return graph if feature_dtype == "fp32" else _with_16_bits(graph, feature_dtype)


def _load_or_convert(
    data_dir: Path,
    name: str,
    parameters: Mapping[str, Any],
    convert: Callable[[], ConvertedGraph],
) -> GraphData:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"dataset.name must be a plain file name, got {name!r}")
    folder = data_dir / FOLDER / f"{name}-{_hash_parameters(parameters)}"
    if (graph := _load_graph(folder, name, warn=False)) is not None:
        return graph
    with _lock_dataset(folder, name):
        # Another process may have converted it while this one waited.
        if (graph := _load_graph(folder, name, warn=True)) is not None:
            return graph
        converted_graph = convert()
        try:
            _write_graph(folder, converted_graph)
        except OSError as error:
            raise _unwritable_error(folder, name, error) from error
    graph = _load_graph(folder, name, warn=True)
    if graph is None:
        raise DataError(f"dataset={name}: {folder} changes while it is read; run one command only")
    return graph


def _with_16_bits(graph: GraphData, feature_dtype: FeatureDtype) -> GraphData:
    folder = graph.cache_dir
    assert folder is not None, "a loaded graph has a folder"
    bits = _load_copy(folder, feature_dtype)
    if bits is None:
        with _lock_dataset(folder, graph.name):
            # Another process may have written it while this one waited.
            if (bits := _load_copy(folder, feature_dtype)) is None:
                bits = round_to_16_bits(graph.name, graph.x, feature_dtype)
                try:
                    _write_copy(folder, feature_dtype, bits)
                except OSError as error:
                    raise _unwritable_error(folder, graph.name, error) from error
                bits = _load_copy(folder, feature_dtype)
    if bits is None:
        raise DataError(
            f"dataset={graph.name}: {folder} changes while it is read; run one command only"
        )
    x = features_from_bits(graph.x, bits, feature_dtype)
    features = f"{graph.fingerprint.features}-{feature_dtype}"
    return replace(graph, x=x, fingerprint=replace(graph.fingerprint, features=features))


def _load_copy(folder: Path, feature_dtype: FeatureDtype) -> np.ndarray | None:
    """Map the features in 16 bits, or return None if they are missing or damaged."""
    key = f"x-{feature_dtype}"
    try:
        meta = json.loads((folder / f"{key}.json").read_text())
        return _map_array(folder, key, meta)
    except (_UnusableCache, OSError, ValueError, KeyError, TypeError):
        return None


def _write_copy(folder: Path, feature_dtype: FeatureDtype, bits: np.ndarray) -> None:
    """Write the array, then the facts that prove it whole."""
    key = f"x-{feature_dtype}"
    path = folder / f"{key}.npy"
    with whole_file(path) as file:
        np.save(file, bits, allow_pickle=False)
    facts = {"arrays": {key: _describe_array(path, bits)}}
    with whole_file(folder / f"{key}.json") as file:
        file.write(json.dumps(facts).encode())


def _hash_parameters(parameters: Mapping[str, Any]) -> str:
    text = json.dumps([_FORMAT, dict(parameters)], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _lock_dataset(folder: Path, name: str) -> AbstractContextManager[Any]:
    """Take the one lock of a dataset: all ways to load it write the same files next to raw/."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(folder.with_name(f".{name}.lock")).acquire()
    except OSError as error:
        raise _unwritable_error(folder, name, error) from error


def _unwritable_error(folder: Path, name: str, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"dataset={name}: {folder.parent} cannot be written ({reason}); set data_dir to a folder "
        "with write permission and free space"
    )


def _load_graph(folder: Path, name: str, *, warn: bool) -> GraphData | None:
    if not folder.is_dir():
        return None
    try:
        meta = json.loads((folder / "meta.json").read_text())
        _check_raw_files(folder.parents[1], meta["raw_files"])
        optional = [key for key in _OPTIONAL_ARRAYS if key in meta["arrays"]]
        keys = (*feature_keys(meta["arrays"]), *_ARRAYS, *optional)
        arrays = {key: _map_array(folder, key, meta) for key in keys}
        return _build_graph(folder, name, meta, arrays)
    except (_UnusableCache, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError(str(error)) from error
        if warn:
            _LOG.warning("dataset=%s: %s is rebuilt: %s", name, folder, error)
        return None


def _build_graph(
    folder: Path, name: str, meta: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> GraphData:
    labels = str(meta["fingerprint"]["labels"]).partition(":")[0]
    if repr(meta["num_classes"]) != labels:
        raise _UnusableCache(f"num_classes is {meta['num_classes']!r}, the labels have {labels}")
    names = Names(
        nodes=arrays.pop("node_names", None),
        features=_optional_tuple(meta.get("feature_names")),
        classes=_optional_tuple(meta.get("class_names")),
    )
    x = features_of(arrays)
    rest = {key: array for key, array in arrays.items() if key not in feature_keys(arrays)}
    tensors = {key: torch.from_numpy(array) for key, array in rest.items()}
    return GraphData(
        name=name,
        x=x,
        num_classes=meta["num_classes"],
        fingerprint=Fingerprint.of(meta["fingerprint"]),
        names=names,
        cache_dir=folder,
        **tensors,
    )


def _optional_tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def conversion_facts(graph: GraphData) -> dict[str, Any]:
    """Return what was counted when the files of `graph` were converted, such as dropped edges.

    The keys are those of `ConvertedGraph.facts`. A graph without a cache has none.
    """
    if graph.cache_dir is None:
        return {}
    meta = json.loads((graph.cache_dir / "meta.json").read_text())
    return {key: value for key, value in meta.items() if key not in _NO_FACTS}


def _check_raw_files(data_dir: Path, stamps: Mapping[str, list[int]]) -> None:
    """Compare size and time of the raw files. Files deleted to save space are fine."""
    for relative, stamp in stamps.items():
        path = data_dir / relative
        if path.exists() and _stamp(path) != stamp:
            raise _UnusableCache(f"{relative} has changed since")


def _map_array(folder: Path, key: str, meta: Mapping[str, Any]) -> np.ndarray:
    """Map one array. Its content is hashed only if the file was touched after it was written."""
    path = folder / f"{key}.npy"
    size, modified = _stamp(path)
    facts = meta["arrays"][key]
    if size != facts["size"]:
        raise _UnusableCache(f"{path.name} has {size:,} bytes instead of {facts['size']:,}")
    array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    if modified != facts["modified_ns"] and digest_of(array) != facts["digest"]:
        raise _UnusableCache(f"{path.name} was altered")
    return array


def _write_graph(folder: Path, graph: ConvertedGraph) -> None:
    with whole_folder(folder) as partial:
        values = dict(graph.arrays)
        if graph.names.nodes is not None:
            values["node_names"] = graph.names.nodes
        arrays = {key: _save_array(partial / f"{key}.npy", value) for key, value in values.items()}
        data_dir = folder.parents[1]
        meta = {
            "num_classes": graph.num_classes,
            "fingerprint": asdict(fingerprint_of(graph, arrays)),
            "feature_names": graph.names.features,
            "class_names": graph.names.classes,
            "arrays": arrays,
            "raw_files": {_relative_path(path, data_dir): _stamp(path) for path in graph.raw_files},
            **graph.facts,
        }
        (partial / "meta.json").write_text(json.dumps(meta, indent=1))


def _relative_path(path: Path, data_dir: Path) -> str:
    """Return a raw file's path below `data_dir`, or its whole path if it is elsewhere."""
    absolute = Path(os.path.abspath(path))
    try:
        return str(absolute.relative_to(os.path.abspath(data_dir)))
    except ValueError:
        return str(absolute)


def _save_array(path: Path, array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array)
    np.save(path, array, allow_pickle=False)
    return _describe_array(path, array)


def _describe_array(path: Path, array: np.ndarray) -> dict[str, Any]:
    """Return facts by which a later process can check that `path` still holds `array`."""
    size, modified = _stamp(path)
    return {"size": size, "modified_ns": modified, "digest": digest_of(array)}


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
