"""Times from columns of files, from ids of Reddit's posts, from a split, and from years."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redditgnn.cli import main
from redditgnn.config.compose import compose_settings
from redditgnn.dataset.reddit_raw import write_reddit_raw
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.data import GraphData
from tests.dataset.test_ogb import write as write_ogb

NODES = (
    "id,f,came,label,split\na,1,2001,x,train\nb,2,1999,y,val\nc,3,2005,x,test\nd,4,2000,y,train\n"
)
EDGES = "src,dst,when\na,b,30\na,b,10\na,b,30\nc,a,20\nzzz,a,5\n"
FIRST_ID = int("2f4i98", 36)
DAY_S = 86_400


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., GraphData]:
    monkeypatch.chdir(tmp_path)

    def loaded(*keys: str, edges: str = EDGES, nodes: str = NODES) -> GraphData:
        Path("edges.csv").write_text(edges)
        Path("nodes.csv").write_text(nodes)
        files = ("dataset.edges=edges.csv", "dataset.nodes=nodes.csv", "dataset.undirected=false")
        return compose_settings(["dataset=files", *files, *keys]).build("dataset", Path("data"))

    return loaded


def test_columns_of_times_belong_to_their_edges_and_nodes_and_are_no_features(load):
    graph = load("dataset.edge_time=when", "dataset.node_time=came")
    assert graph.node_time.tolist() == [2001, 1999, 2005, 2000]
    assert graph.names.features == ("f",)
    assert graph.rowptr.tolist() == [0, 1, 3, 3, 3]
    assert graph.col.tolist() == [2, 0, 0]
    assert graph.edge_time.tolist() == [20, 10, 30]


def test_without_names_of_columns_a_repeated_edge_counts_once_and_nothing_has_a_time(load):
    graph = load()
    assert (graph.node_time, graph.edge_time) == (None, None)
    assert graph.num_edges == 2
    assert graph.fingerprint.times == ""


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        ("1970-01-02", "1970-01-01 00:01", [86_400, 60]),
        ("1970-01-01T00:00:10Z", "1970-01-01T01:00:00+01:00", [10, 0]),
        ("1970-01-01 00:00:00.5", "1970-01-01 00:00:01", [0.5, 1]),
        ("2.5", "1e3", [2.5, 1000]),
        ("-3", "4", [-3, 4]),
    ],
)
def test_numbers_and_dates_are_times(load, first, second, seconds):
    edges = f"src,dst,when\nb,a,{first}\nc,b,{second}\n"
    assert load("dataset.edge_time=when", edges=edges).edge_time.tolist() == seconds


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("5", ""), "edge 2 has no time in 'when'; give it one, or remove it"),
        (("5", "soon"), "edge 2 must have a number, or in all rows a date .* got 'soon' in 'when'"),
        (("5", "inf"), "edge 2 must have a number, .* got 'inf'"),
        (("5", "1970-01-02 00:00"), "edge 1 must have a number, or in all rows a date"),
    ],
)
def test_a_cell_that_is_no_time_is_named(load, cells, message):
    edges = f"src,dst,when\nb,a,{cells[0]}\nc,b,{cells[1]}\n"
    with pytest.raises(DataError, match=message):
        load("dataset.edge_time=when", edges=edges)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "dataset.edge_time=then",
            r"dataset.edge_time=then: .* has no such column \(did you mean w",
        ),
        ("dataset.edge_time=src", "dataset.edge_time=src is a column of nodes; name another"),
        ("dataset.node_time=cane", r"dataset.node_time=cane: .*did you mean came\?"),
    ],
)
def test_a_wrong_column_is_refused(load, key, message):
    with pytest.raises(ConfigError, match=message):
        load(key)


@pytest.fixture
def reddit(tmp_path: Path, make_graph: Callable[..., GraphData]) -> Callable[..., GraphData]:
    """A tiny graph in Reddit's format, whose nodes came in the order of `ids`."""
    write_reddit_raw(make_graph(num_classes=3), tmp_path / "Reddit" / "raw")

    def loaded(*keys: str) -> GraphData:
        free = ("dataset.expected=null", "dataset.undirected=false")
        return compose_settings([f"data_dir={tmp_path}", *free, *keys]).build("dataset", tmp_path)

    return loaded


def id_map(**changes: Any) -> dict[str, Any]:
    """Training nodes (0, 3, ...) have older posts than all others, a day apart."""
    order = sorted(range(20), key=lambda node: (node % 3 != 0, -node))
    keys = (np.base_repr(FIRST_ID + 156_892 * day, 36).lower() for day in range(20))
    return dict(zip(keys, order, strict=True)) | changes


def test_ids_of_posts_are_seconds_since_the_first(reddit, tmp_path):
    path = tmp_path / "reddit-id_map.json"
    path.write_text(json.dumps(id_map()))
    graph = reddit(f"dataset.times={path}")
    days = graph.node_time / DAY_S
    assert [round(day, 6) for day in days[[18, 15, 0, 19, 1]].tolist()] == [0, 1, 6, 7, 19]
    assert float(days[graph.train_mask].max()) < float(days[~graph.train_mask].min())


def test_the_split_is_two_epochs(reddit):
    graph = reddit("dataset.times=split")
    assert graph.node_time.tolist() == [int(node % 3 != 0) for node in range(20)]


def test_times_are_another_cache_with_the_same_graph(reddit):
    plain, timed = reddit(), reddit("dataset.times=split")
    assert plain.cache_dir != timed.cache_dir
    assert plain.fingerprint.edges == timed.fingerprint.edges
    assert plain.node_time is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read (it is no JSON"),
        ("[1]", "must map 20 posts to nodes, it has no keys"),
        (json.dumps({"2f4i98": 0}), "must map 20 posts to nodes, it has 1 keys"),
        (json.dumps(id_map() | {"2f4i98": 5}), "must have each node from 0 to 19 once as a value"),
        (
            json.dumps({f"{k}-": v for k, v in id_map().items()}),
            "must have ids of posts in base",
        ),
        (
            json.dumps({k: 19 - v for k, v in id_map().items()}),
            "is not of this graph: its training post",
        ),
    ],
)
def test_a_wrong_id_map_is_refused_in_one_line(reddit, tmp_path, content, message):
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        reddit(f"dataset.times={path}")
    assert f"dataset=reddit: dataset.times={path} " in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_id_map_is_named(reddit, tmp_path):
    with pytest.raises(DataError, match=r"none.json cannot be read \(No such file"):
        reddit(f"dataset.times={tmp_path / 'none.json'}")


@pytest.mark.parametrize("has_years", [False, True])
def test_years_of_papers_are_read_where_their_file_is(tmp_path, build, has_years):
    write_ogb(tmp_path)
    if has_years:
        path = tmp_path / "ogbn_arxiv" / "raw" / "node_year.csv.gz"
        path.write_bytes(gzip.compress(b"2018\n2019\n2013\n"))
    graph = build(tmp_path, "dataset=ogbn_arxiv", "dataset.expected=null")
    years = None if graph.node_time is None else graph.node_time.tolist()
    assert years == ([2018, 2019, 2013] if has_years else None)


def test_data_prints_the_range_of_times(load, capsys):
    load()
    keys = ["dataset.edges=edges.csv", "dataset.nodes=nodes.csv", "dataset.edge_time=when"]
    more = ["dataset.node_time=came", "data_dir=data"]
    assert main(["data", "dataset=files", *keys, *more]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (
        lines["times"] == "nodes from 1999 to 2005, 4 different; edges from 10 to 30, 3 different"
    )
