"""A table is computed once for edges, settings and seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from redditgnn.embedding.fastrp import FastRP
from redditgnn.embedding.table import EmbeddingTable
from redditgnn.graph.fingerprint import Fingerprint

SETTINGS = {"dim": 4, "weights": [1.0], "beta": 0.0, "normalize": None}


@pytest.fixture
def cached_graph(make_graph, tmp_path):
    (tmp_path / "caches" / "tiny").mkdir(parents=True)
    return replace(make_graph(), cache_dir=tmp_path / "caches" / "tiny")


def table_of(graph, seed=0, **changes):
    settings = {**SETTINGS, **changes}
    return EmbeddingTable(graph, "fastrp", FastRP(**settings), settings, seed, "transductive")


def test_the_second_load_reads_the_file_of_the_first(cached_graph, monkeypatch):
    first = table_of(cached_graph).load_or_compute()
    monkeypatch.delattr(FastRP, "compute")
    monkeypatch.setattr(FastRP, "__abstractmethods__", frozenset())
    assert np.array_equal(first, table_of(cached_graph).load_or_compute())


def test_splits_and_ways_to_read_a_table_share_its_file(cached_graph):
    path = table_of(cached_graph).path
    split = replace(cached_graph.fingerprint, split="1/1/1:abc", labels="7:x", features="9:y")
    assert table_of(replace(cached_graph, fingerprint=split)).path == path
    assert table_of(cached_graph, normalize="rows").path == path


def test_other_edges_seeds_and_settings_have_other_files(cached_graph):
    others = replace(cached_graph, fingerprint=Fingerprint(edges="3:abc"))
    tables = [
        table_of(cached_graph),
        table_of(others),
        table_of(cached_graph, seed=1),
        table_of(cached_graph, dim=5),
        table_of(cached_graph, weights=[2.0]),
    ]
    assert len({table.path for table in tables}) == len(tables)


@pytest.mark.parametrize("content", [b"", b"no table"])
def test_a_damaged_file_is_written_again(cached_graph, content, caplog):
    expected = np.array(table_of(cached_graph).load_or_compute())
    table = table_of(cached_graph)
    table.path.write_bytes(content)
    assert np.array_equal(table.load_or_compute(), expected)
    assert "is damaged and is computed again" in caplog.text
    assert np.array_equal(np.load(table.path), expected)


def test_a_graph_without_a_cache_has_no_file(make_graph):
    table = table_of(make_graph())
    assert table.path is None
    assert table.load_or_compute().shape == (20, 4)


def test_a_folder_that_cannot_be_written_costs_only_the_file(cached_graph, caplog):
    (cached_graph.cache_dir.parent / "embeddings").write_text("in the way")
    assert table_of(cached_graph).load_or_compute().shape == (20, 4)
    assert "could not be saved" in caplog.text
