"""Contacts of SocioPatterns: the real file of an office, and small ones in both formats."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pytest

from redditgnn.errors import DataError

FOLDER = Path(__file__).parents[1] / "data" / "SocioPatterns" / "raw"
CONTACTS, PEOPLE = "HighSchool2013_proximity_net.csv.gz", "workplace_InVS15_metadata.txt"
SCHOOL = """20 7 3 A B
20 7 5 A B
40 3 7 B A
40 9 7 A A
"""
TINY = (
    "dataset=highschool",
    "dataset.expected=null",
    "dataset.train_ratio=0.4",
    "dataset.val_ratio=0.3",
)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "SocioPatterns" / "raw"
    folder.mkdir(parents=True)
    return folder


def test_the_office_has_a_contact_for_each_line_and_direction(raw, build, tmp_path):
    for path in FOLDER.iterdir():
        shutil.copy(path, raw)
    graph = build(tmp_path, "dataset=workplace")
    assert (graph.num_nodes, graph.num_edges, graph.num_classes) == (217, 2 * 78_249, 12)
    assert (int(graph.edge_time.min()), int(graph.edge_time.max())) == (28_840, 1_022_380)
    assert graph.class_names[0] == "DCAR"
    with gzip.open(FOLDER / "workplace_InVS15_tij.dat.gz", "rt") as file:
        lines = [tuple(map(int, line.split())) for line in file]
    ids = graph.names.nodes
    node = int((ids == 574).argmax())
    row = slice(int(graph.rowptr[node]), int(graph.rowptr[node + 1]))
    read = zip(graph.edge_time[row].tolist(), ids[graph.col[row]].tolist(), strict=True)
    expected = ((t, i + j - 574) for t, i, j in lines if 574 in (i, j))
    assert Counter(read) == Counter(expected)


def test_the_classes_may_stand_beside_the_contacts(raw, build, tmp_path):
    (raw / CONTACTS).write_bytes(gzip.compress(SCHOOL.encode()))
    graph = build(tmp_path, *TINY)
    assert graph.names.nodes.tolist() == [3, 5, 7, 9]
    assert graph.y.tolist() == [1, 1, 0, 0]
    assert graph.class_names == ("A", "B")
    assert graph.edge_time.tolist() == [20, 40, 20, 20, 40, 20, 40, 40]
    assert graph.col.tolist() == [2, 2, 2, 0, 0, 1, 3, 2]
    assert graph.dense_x.tolist() == [[float(i == k) for k in range(4)] for i in range(4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20 7 3 A B\n20 7 A B\n", "line 2: it has 4 of 5 columns"),
        ("20 7 x A B\n", "line 1: invalid literal for int() with base 10: 'x'"),
        ("20 7 3 A B\n20 3 7 A A\n", "person 3 has the classes B and A"),
        ("", "it is empty"),
    ],
)
def test_a_damaged_line_is_named(raw, build, tmp_path, text, message):
    (raw / CONTACTS).write_bytes(gzip.compress(text.encode()))
    with pytest.raises(DataError, match="is damaged") as error:
        build(tmp_path, *TINY)
    assert message in str(error.value)


def test_a_person_without_a_class_is_named(raw, build, tmp_path):
    for path in FOLDER.iterdir():
        shutil.copy(path, raw)
    (raw / PEOPLE).write_text("20 DCAR\n")
    with pytest.raises(DataError, match="it has no class of person 1\\)"):
        build(tmp_path, "dataset=workplace")


def test_missing_files_and_where_they_are_fetched_from_are_named(build, tmp_path, offline):
    with pytest.raises(DataError, match="no HighSchool2013.*put HighSchool.*650 kB") as error:
        build(tmp_path, "dataset=highschool")
    assert "sociopatterns/c92d75db" in str(error.value)
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.realdata
def test_the_high_school_is_the_published_one(raw, build, tmp_path, realdata):
    shutil.copy(realdata / "temporal" / CONTACTS, raw)
    graph = build(tmp_path, "dataset=highschool")
    assert graph.num_edges == 2 * 188_508
