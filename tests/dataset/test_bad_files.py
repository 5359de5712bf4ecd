"""Bad files are one line and exit code 2, through the command line; the next good run works."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from scipy import sparse

from redditgnn.dataset.reddit_raw import write_reddit_raw
from redditgnn.graph.data import GraphData

REDDIT = ("dataset=reddit", "dataset.expected=null")
FOLDERS = ("data_dir={here}/data", "results_dir={here}/results")
SMALL = ("model.hidden_channels=8", "trainer.epochs=1", "device=cpu")
Change = Callable[[dict[str, ndarray]], None]


@pytest.fixture
def reddit(tmp_path: Path, make_graph: Callable[..., GraphData]) -> Path:
    """Reddit's two files, of a graph of 30 nodes."""
    raw = tmp_path / "data" / "Reddit" / "raw"
    write_reddit_raw(make_graph(num_nodes=30, num_edges=90), raw)
    return raw


def rewrite(path: Path, change: Change) -> None:
    """Change the arrays of an .npz file."""
    with np.load(path) as content:
        arrays = dict(content)
    change(arrays)
    np.savez(path, **arrays)


def put(key: str, value: object) -> Change:
    return lambda arrays: arrays.update({key: np.asarray(value)})


def put_one(key: str, position: int | tuple[int, int], value: float) -> Change:
    def change(arrays: dict[str, ndarray]) -> None:
        arrays[key] = arrays[key].copy()
        arrays[key][position] = value

    return change


def only_types(*kept: int) -> Change:
    """Leave splits without nodes: 1 is training, 2 validation, 3 test."""
    return lambda arrays: arrays.update(node_types=np.resize(kept, 30))


BAD_DATA = {
    "a NaN feature": (put_one("feature", (7, 2), np.nan), "features must be finite, those of no"),
    "an infinite feature": (put_one("feature", (0, 0), np.inf), "features must be finite, those"),
    "a negative label": (
        put_one("label", 4, -3),
        "labels must be >= 0, or -1 for none, node 4 has -3",
    ),
    "a label out of range": (put_one("label", 4, 10**12), "labels must be below "),
    "no training nodes": (only_types(2, 3), "the training split must have nodes, it is empty"),
    "no validation nodes": (only_types(1, 3), "the validation split must have nodes, it is empty"),
    "no test nodes": (only_types(1, 2), "the test split must have nodes, it is empty"),
    "a mask of another length": (put("node_types", [1, 2, 3]), "no usable train_mask"),
    "a label too few": (put("label", np.zeros(29, int)), "every node needs features and a label"),
    "labels in a table": (put("label", np.full((30, 2), 3)), "multi-label targets must be 0 or 1"),
    "labels as text": (put("label", ["a"] * 30), "cannot read"),
    "features as text": (put("feature", [["a"]] * 30), "cannot read"),
    "features in one row": (put("feature", np.ones(30)), "features must be a table"),
    "features without columns": (put("feature", np.ones((30, 0))), "features must be a table"),
    "objects": (put("feature", np.array([None] * 30, object)), "bject arrays cannot be loaded"),
    "a missing array": (lambda arrays: arrays.pop("label"), "label"),
    "no nodes": (
        lambda arrays: arrays.update(
            feature=np.ones((0, 3)), label=np.ones(0, int), node_types=np.ones(0, int)
        ),
        "dataset=reddit: ",
    ),
}


@pytest.mark.parametrize(("change", "part"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_bad_arrays_are_named(
    change: Change, part: str, reddit: Path, refused: Callable[..., str], works: Callable[..., None]
) -> None:
    good = (reddit / "reddit_data.npz").read_bytes()
    rewrite(reddit / "reddit_data.npz", change)
    message = refused("train", *REDDIT, *SMALL, *FOLDERS)
    assert message.startswith("dataset=reddit: ")
    assert part in message
    (reddit / "reddit_data.npz").write_bytes(good)
    works("train", *REDDIT, *SMALL, *FOLDERS)


def edges(*pairs: tuple[int, int], shape: int = 30) -> sparse.coo_matrix:
    source, destination = np.array(pairs).T if pairs else np.empty((2, 0), int)
    ones = np.ones(len(pairs), np.int8)
    return sparse.coo_matrix((ones, (source, destination)), shape=(shape, shape))


BAD_GRAPHS = {
    "an edge out of range": (lambda path: sparse.save_npz(path, edges((0, 35), shape=40)), "35"),
    "not a sparse matrix": (lambda path: np.savez(path, a=np.ones(3)), "reddit_graph.npz"),
    "a text that looks like numbers": (lambda path: path.write_text("1"), "reddit_graph.npz is d"),
    "a text": (lambda path: path.write_text("0 1\n1 2\n"), "reddit_graph.npz is damaged"),
    "nothing": (lambda path: path.write_bytes(b""), "reddit_graph.npz is damaged (it is empty)"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:300]), "reddit_graph.npz is damaged"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "reddit_graph.npz"),
    "missing": (lambda path: path.unlink(), "has no reddit_graph.npz, and https://data.dgl.ai"),
}


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("write", "part"), BAD_GRAPHS.values(), ids=BAD_GRAPHS.keys())
def test_bad_edges_are_named(
    write: Callable[[Path], object], part: str, reddit: Path, refused: Callable[..., str]
) -> None:
    write(reddit / "reddit_graph.npz")
    message = refused("data", *REDDIT, *FOLDERS[:1])
    assert message.startswith("dataset=reddit: ")
    assert part in message


ODD_GRAPHS = {
    "no edges": edges(),
    "one edge": edges((0, 1)),
    "self-loops alone": edges((0, 0), (1, 1)),
    "the same edge many times": edges(*[(0, 1)] * 9, (1, 0)),
    "two parts without a path between them": edges((0, 1), (1, 0), (28, 29), (29, 28)),
    "edges in one direction": edges(*((node, node + 1) for node in range(29))),
}
ODD_DATA: dict[str, Change] = {
    "one class": put("label", np.zeros(30, int)),
    "a class without nodes": put("label", np.arange(30) % 2 * 5),
    "features that are all zero": put("feature", np.zeros((30, 5), np.float32)),
    "one feature": put("feature", np.ones((30, 1), np.float32)),
    "features in whole numbers": put("feature", np.ones((30, 5), np.int64)),
    "huge features": put("feature", np.full((30, 5), 1e30)),
    "labels in floats": put("label", np.arange(30) % 3 * 1.0),
    "nodes in no split": put("node_types", np.arange(30) % 4),
}


@pytest.mark.parametrize("adjacency", ODD_GRAPHS.values(), ids=ODD_GRAPHS.keys())
def test_odd_edges_are_no_mistake(
    adjacency: sparse.coo_matrix, reddit: Path, works: Callable[..., None]
) -> None:
    sparse.save_npz(reddit / "reddit_graph.npz", adjacency)
    works("train", *REDDIT, *SMALL, *FOLDERS)


@pytest.mark.parametrize("change", ODD_DATA.values(), ids=ODD_DATA.keys())
def test_odd_arrays_are_no_mistake(
    change: Change, reddit: Path, works: Callable[..., None]
) -> None:
    rewrite(reddit / "reddit_data.npz", change)
    works("train", *REDDIT, *SMALL, *FOLDERS)


@pytest.mark.parametrize("name", ["a b", "über", "图", os.fsdecode(b"caf\xe9"), "a'b\"c", "a=b,c"])
def test_odd_names_of_folders_are_no_mistake(
    name: str, reddit: Path, tmp_path: Path, works: Callable[..., None]
) -> None:
    shutil.move(tmp_path / "data", tmp_path / name)
    quoted = str(tmp_path / name).replace("\\", "\\\\").replace("'", "\\'")
    works("train", *REDDIT, *SMALL, f"data_dir='{quoted}'", f"results_dir='{quoted}/results'")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("share", [None, 0.0, 0.5])
@pytest.mark.parametrize("file", ["adj_full.npz", "feats.npy", "class_map.json", "role.json"])
def test_an_incomplete_folder_of_graphsaint_is_named(
    file: str,
    share: float | None,
    tmp_path: Path,
    saint_raw: Callable[..., None],
    refused: Callable[..., str],
) -> None:
    saint_raw(tmp_path / "data" / "Flickr" / "raw")
    cut(tmp_path / "data" / "Flickr" / "raw" / file, share)
    assert file in refused("data", "dataset=flickr", "dataset.expected=null", *FOLDERS[:1])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("share", [None, 0.0, 0.5])
@pytest.mark.parametrize("file", ["train_feats.npy", "valid_graph.json", "test_graph_id.npy"])
def test_an_incomplete_folder_of_ppi_is_named(
    file: str,
    share: float | None,
    tmp_path: Path,
    ppi_raw: Callable[[Path], None],
    refused: Callable[..., str],
) -> None:
    ppi_raw(tmp_path / "data" / "PPI" / "raw")
    cut(tmp_path / "data" / "PPI" / "raw" / file, share)
    assert file in refused("data", "dataset=ppi", "dataset.expected=null", *FOLDERS[:1])


def cut(path: Path, share: float | None) -> None:
    """Leave a share of a file, or nothing at all."""
    content = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(content[: int(share * len(content))])


def test_files_that_are_not_the_original_ones_are_refused(
    reddit: Path, refused: Callable[..., str]
) -> None:
    message = refused("data", "dataset=reddit", *FOLDERS[:1])
    assert (
        "was written by 'redditgnn data --raw' and is not the original; set dataset.expec"
        in message
    )


def test_a_file_in_the_place_of_the_raw_files_is_named(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "data" / "Reddit").write_text("")
    assert str(tmp_path / "data" / "Reddit") in refused("data", *REDDIT, *FOLDERS[:1])


def test_a_file_in_the_place_of_the_data_is_named(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REDDITGNN_DATA", str(tmp_path / "file"))
    message = refused("data", "dataset=sbm", "dataset.scale=0.001", "dataset.num_classes=4")
    assert f"{tmp_path}/file" in message
    assert "set data_dir to a folder" in message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_named(
    number: int, reddit: Path, refused: Callable[..., str], works: Callable[..., None]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redditgnn.dataset.cache.np.save", fail)
        message = refused("train", *REDDIT, *SMALL, *FOLDERS)
    assert (
        f"redditgnn-cache cannot be written ({os.strerror(number)}); set data_dir to a" in message
    )
    works("train", *REDDIT, *SMALL, *FOLDERS)


BAD_CACHES = {
    "another version": lambda meta: meta.pop("fingerprint"),
    "no arrays": lambda meta: meta.update(arrays=None),
    "other sizes": lambda meta: meta["arrays"]["x"].update(size=3),
    "classes as text": lambda meta: meta.update(num_classes="many"),
    "more classes": lambda meta: meta.update(num_classes=meta["num_classes"] + 27),
    "a list": lambda meta: meta.clear(),
}


@pytest.mark.parametrize("change", BAD_CACHES.values(), ids=BAD_CACHES.keys())
def test_a_cache_that_was_edited_is_made_anew(
    change: Callable[[dict[str, object]], object],
    reddit: Path,
    tmp_path: Path,
    works: Callable[..., None],
) -> None:
    works("train", *REDDIT, *SMALL, *FOLDERS)
    (path,) = (tmp_path / "data" / "redditgnn-cache").glob("reddit-*/meta.json")
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))
    works("train", *REDDIT, *SMALL, *FOLDERS)
    assert json.loads(path.read_text()) != meta
