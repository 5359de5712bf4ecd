"""Nodes with several labels: Yelp's and PPI's formats."""

from __future__ import annotations

import torch

from redditgnn.graph.csr import row_of_edge

ANY_COUNTS = "dataset.expected=null"


def test_yelp_labels_are_zeros_and_ones(tmp_path, saint_raw, build):
    saint_raw(tmp_path / "Yelp" / "raw", multi_label=True)
    graph = build(tmp_path, "dataset=yelp", ANY_COUNTS)
    assert graph.spec[:4] == (30, 5, 4, True)
    assert graph.y.dtype == torch.float32
    assert set(graph.y.unique().tolist()) == {0.0, 1.0}


def test_ppi_is_one_graph_without_edges_between_its_parts(tmp_path, ppi_raw, build):
    ppi_raw(tmp_path / "PPI" / "raw")
    graph = build(tmp_path, "dataset=ppi", ANY_COUNTS)
    assert graph.spec[:4] == (36, 3, 4, True)
    assert graph.num_edges == 6 * 12  # six rings; the self-loop is gone
    assert torch.equal(row_of_edge(graph.rowptr) // 6, graph.col.long() // 6)
    parts = [graph.mask(split).nonzero().view(-1).tolist() for split in ("train", "val", "test")]
    assert parts == [[*range(12)], [*range(12, 24)], [*range(24, 36)]]
