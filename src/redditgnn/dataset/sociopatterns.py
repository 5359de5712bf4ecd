"""Contacts between people, measured by the badges of SocioPatterns every 20 seconds.

A contact is an edge with a time, in both directions. People have no features: each is known by its
number alone (an identity matrix, stored sparse), as Kipf and Welling 2017 do without features.
Numbers of contacts would be features of the future.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.dataset.base import ConvertedGraph, EdgeRules, RawGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.download import fetch_files
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.rawfiles import damage_error, describe_error
from redditgnn.dataset.split_columns import DrawRule, SplitKind
from redditgnn.dataset.validation import convert_graph
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData, Names
from redditgnn.graph.sparse_features import SparseFeatures


def load(
    data_dir: Path,
    *,
    name: str,
    url: str,
    folder: str,
    contacts: str,
    people: str | None,
    split: SplitKind,
    split_seed: int,
    train_ratio: int | float,
    val_ratio: int | float,
    train_per_class: int,
    val_per_class: int,
    feature_dtype: FeatureDtype,
    expected: dict[str, int | None] | None,
    download_size: str,
) -> GraphData:
    """Load from the cache, or convert the files in `data_dir / folder / raw`.

    Raises:
        DataError: files are missing, damaged, or contradict themselves or `expected`.
    """
    parameters = {key: value for key, value in locals().items() if key not in LOADING_KEYS}
    rule = DrawRule(
        kind=split,
        seed=split_seed,
        train_per_class=train_per_class,
        val_per_class=val_per_class,
        train_ratio=train_ratio,
        val_ratio=val_ratio,
    )
    files = [data_dir / folder / "raw" / file for file in (contacts, people) if file is not None]

    def convert() -> ConvertedGraph:
        fetch_files(name, url, files, download_size)
        raw = _raw_graph(name, files, rule)
        return convert_graph(name, raw, expected, files, EdgeRules(undirected=True))

    return cached(data_dir, name, parameters, convert, feature_dtype)


def _raw_graph(name: str, files: list[Path], rule: DrawRule) -> RawGraph:
    with_classes = len(files) == 1  # contacts are `time i j class-of-i class-of-j` then
    numbers, words = _read_lines(name, files[0], 3, 2 if with_classes else 0)
    ids, ends = np.unique(numbers[:, 1:], return_inverse=True)
    if with_classes:
        pairs = zip(numbers[:, 1:].ravel().tolist(), (w for row in words for w in row), strict=True)
    else:
        people, rows = _read_lines(name, files[1], 1, 1)
        pairs = zip(people[:, 0].tolist(), (row[0] for row in rows), strict=True)
    y, classes = _labels(name, files[-1], ids, pairs)
    return RawGraph(
        x=_identity(len(ids)),
        edge_index=ends.reshape(-1, 2).T,
        edge_time=numbers[:, 0].copy(),
        y=y,
        masks=rule.draw(y, classes),
        names=Names(nodes=ids, classes=classes),
    )


def _read_lines(
    name: str, path: Path, num_numbers: int, num_words: int
) -> tuple[Int64[ndarray, "lines numbers"], list[list[str]]]:
    """Read so many whole numbers and then words from each line, and ignore the rest of it."""
    width, numbers, words = num_numbers + num_words, list[list[int]](), list[list[str]]()
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for cells in map(str.split, file):
                if len(cells) < width:
                    raise ValueError(f"it has {len(cells)} of {width} columns")
                numbers.append([int(cell) for cell in cells[:num_numbers]])
                words.append(cells[num_numbers:width])
    except ValueError as error:
        problem = f"line {len(numbers) + 1}: {error}"
        raise damage_error(name, path, problem, fetched=True) from error
    except (OSError, EOFError) as error:
        raise damage_error(name, path, describe_error(error), fetched=True) from error
    if not numbers:
        raise damage_error(name, path, "it is empty", fetched=True)
    return np.array(numbers, dtype=np.int64), words


def _labels(
    name: str, path: Path, ids: Int64[ndarray, " nodes"], pairs: Iterable[tuple[int, str]]
) -> tuple[Int64[ndarray, " nodes"], tuple[str, ...]]:
    """Return the class of each person, and the names of the classes in alphabetical order."""
    class_of: dict[int, str] = {}
    for person, word in pairs:
        if class_of.setdefault(person, word) != word:
            raise damage_error(
                *(name, path, f"person {person} has the classes {class_of[person]} and {word}"),
                fetched=True,
            )
    people = ids.tolist()
    if missing := [person for person in people if person not in class_of]:
        raise damage_error(name, path, f"it has no class of person {missing[0]}", fetched=True)
    classes, y = np.unique([class_of[person] for person in people], return_inverse=True)
    return y.astype(np.int64), tuple(classes.tolist())


def _identity(size: int) -> SparseFeatures:
    rowptr = torch.arange(size + 1)
    return SparseFeatures(CSR(rowptr, rowptr[:-1].to(torch.int32), size), torch.ones(size))
