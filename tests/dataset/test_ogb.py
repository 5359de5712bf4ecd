"""The CSV files of the Open Graph Benchmark."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from redditgnn.errors import DataError

ANY_COUNTS = "dataset.expected=null"
FILES = {
    "raw/edge.csv.gz": "0,1\n1,2\n2,2\n1,0\n",
    "raw/node-feat.csv.gz": "0.5,1\n2,-3e-2\n0,0\n",
    "raw/node-label.csv.gz": "1\n0\n1\n",
    "split/time/train.csv.gz": "2\n",
    "split/time/valid.csv.gz": "0\n",
    "split/time/test.csv.gz": "1\n",
}


def write(root: Path, **replaced: str) -> None:
    for path, text in {**FILES, **replaced}.items():
        target = root / "ogbn_arxiv" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(text.encode()))


def test_the_csv_files_become_an_undirected_graph(tmp_path, build):
    write(tmp_path)
    graph = build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)
    assert graph.rowptr.tolist() == [0, 1, 3, 4]
    assert graph.col.tolist() == [1, 0, 2, 1]
    assert graph.y.tolist() == [1, 0, 1]
    assert graph.train_mask.tolist() == [False, False, True]
    assert graph.x[1].tolist() == pytest.approx([2.0, -0.03])


def test_the_citations_can_stay_directed(tmp_path, build):
    write(tmp_path)
    graph = build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS, "dataset.undirected=false")
    assert (graph.rowptr.tolist(), graph.col.tolist()) == ([0, 1, 2, 3], [1, 0, 1])


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("raw/node-label.csv.gz", "1\nnan\n1\n", "split have no label"),
        ("raw/node-feat.csv.gz", "1,2\n3\n4,5\n", "node-feat.csv.gz is damaged"),
        ("split/time/test.csv.gz", "3\n", r"must hold node ids in \[0, 3\)"),
    ],
)
def test_damaged_files_are_named(path, text, message, tmp_path, build):
    write(tmp_path, **{path: text})
    with pytest.raises(DataError, match=message):
        build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)


def test_a_cut_off_archive_is_named(tmp_path, build):
    write(tmp_path)
    path = tmp_path / "ogbn_arxiv" / "raw" / "edge.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"edge\.csv\.gz is damaged"):
        build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)


def test_several_label_columns_are_several_labels(tmp_path, build):
    write(tmp_path, **{"raw/node-label.csv.gz": "1,0\n1,1\n0,1\n"})
    graph = build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)
    assert graph.y.tolist() == [[1, 0], [1, 1], [0, 1]]
    assert graph.spec.multi_label


def test_a_cache_of_the_time_when_one_column_was_read_is_made_anew(tmp_path, build, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr("redditgnn.dataset.cache._FORMAT", 2)
    old = build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)
    monkeypatch.undo()
    new = build(tmp_path, "dataset=ogbn_arxiv", ANY_COUNTS)
    assert new.cache_dir != old.cache_dir
    assert new.fingerprint == old.fingerprint
