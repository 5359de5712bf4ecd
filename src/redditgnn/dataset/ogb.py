"""Node classification datasets of the Open Graph Benchmark, from its own CSV files.

Read without the `ogb` package, which unpickles whole objects. The files are plain text.
"""

from __future__ import annotations

import gzip
import logging
import shutil
import urllib.request
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from redditgnn.dataset.base import ConvertedGraph, EdgeRules, Mask, RawGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.download import TIMEOUT_S, progress_logged
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.labels import label_column, read_labels
from redditgnn.dataset.rawfiles import damage_error, describe_error, discard_new_files, fetch_error
from redditgnn.dataset.validation import convert_graph
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData, Names

_RAW = ("edge.csv.gz", "node-feat.csv.gz", "node-label.csv.gz")
_SPLITS = ("train.csv.gz", "valid.csv.gz", "test.csv.gz")
_LOG = logging.getLogger(__name__)


def load(
    data_dir: Path,
    *,
    name: str,
    url: str,
    folder: str,
    split: str,
    undirected: bool,
    times: str | None,
    feature_dtype: FeatureDtype,
    expected: dict[str, int | None] | None,
    download_size: str,
) -> GraphData:
    """Load from the cache, or convert the files in `data_dir / folder`.

    Raises:
        DataError: files are missing, damaged, or contradict themselves or `expected`.
    """
    others = LOADING_KEYS if times else (*LOADING_KEYS, "times")  # as before there was this key
    parameters = {key: value for key, value in locals().items() if key not in others}
    root = data_dir / folder
    raw_files = [root / "raw" / file for file in _RAW]
    split_files = [root / "split" / split / file for file in _SPLITS]

    def convert() -> ConvertedGraph:
        files = [*raw_files, *split_files]
        _fetch_missing(name, url, root, files, download_size)
        raw = _read_raw_graph(name, raw_files, split_files)
        if times is not None and (path := root / "raw" / times).exists():
            raw = replace(raw, node_time=_read_times(name, path))
            files.append(path)
        return convert_graph(name, raw, expected, files, EdgeRules(undirected=undirected))

    return cached(data_dir, name, parameters, convert, feature_dtype)


def _fetch_missing(name: str, url: str, root: Path, files: list[Path], size: str) -> None:
    missing = [path for path in files if not path.exists()]
    if not missing:
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(discard_new_files(root / "raw"))
            stack.enter_context(discard_new_files(root / "unpacked"))
            stack.enter_context(progress_logged(name, root / "raw"))
            _LOG.warning("dataset=%s: fetching its files (%s)", name, size)
            _download(url, root)
    except (OSError, ValueError, zipfile.BadZipFile) as error:  # ValueError: the url is invalid
        raise fetch_error(name, missing[0].parent, missing, url, error, size) from error


def _download(url: str, root: Path) -> None:
    """Download the archive, and unpack it into `root` without its single top folder."""
    archive, unpacked = root / "download.zip", root / "unpacked"
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,
        archive.open("wb") as file,
    ):
        shutil.copyfileobj(answer, file)
    with zipfile.ZipFile(archive) as content:
        content.extractall(unpacked)
    for raw in unpacked.glob("*/raw"):
        shutil.copytree(raw.parent, root, dirs_exist_ok=True)
    shutil.rmtree(unpacked)
    archive.unlink()


def _read_raw_graph(name: str, raw_files: list[Path], split_files: list[Path]) -> RawGraph:
    edges, node_features, node_labels = raw_files
    edge_index = _read_table(name, edges, np.int64).T
    x = _read_table(name, node_features, np.float32)
    y = read_labels(name, label_column(name, _read_labels(name, node_labels), len(x)))
    train, val, test = (_read_mask(name, path, len(x)) for path in split_files)
    return RawGraph(
        x=x,
        edge_index=edge_index,
        y=y.y,
        masks=(train, val, test),
        names=Names(classes=y.classes),
    )


def _read_labels(name: str, path: Path) -> ndarray:
    """Return numbers, or words where the file has some. A blank stands for no label."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split(",") for line in file]
        table = np.array(rows)
    except (OSError, EOFError, ValueError) as error:
        raise damage_error(name, path, describe_error(error), fetched=False) from error
    try:
        return np.where(np.char.strip(table) == "", "nan", table).astype(np.float64)
    except ValueError:
        return table


def _read_table(name: str, path: Path, dtype: type[np.generic]) -> ndarray:
    try:
        return np.loadtxt(path, delimiter=",", dtype=dtype, ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise damage_error(name, path, describe_error(error), fetched=False) from error


def _read_times(name: str, path: Path) -> ndarray:
    """Return the first column of a table of whole numbers."""
    return np.ascontiguousarray(_read_table(name, path, np.int64)[:, 0])


def _read_mask(name: str, path: Path, num_nodes: int) -> Mask:
    ids = _read_table(name, path, np.int64)[:, 0]
    if len(ids) and not 0 <= ids.min() <= ids.max() < num_nodes:
        raise DataError(f"dataset={name}: {path} must hold node ids in [0, {num_nodes:,})")
    mask = np.zeros(num_nodes, dtype=bool)
    mask[ids] = True
    return mask
