"""The original files give the published counts."""

from __future__ import annotations

import shutil

import pytest
import torch

from redditgnn.graph.csr import row_of_edge

# dataset, folder, nodes, edges without self-loops, features, classes, split
COUNTS = [
    ("pubmed", "PubMed", 19_717, 88_648, 500, 3, (60, 500, 1000)),
    ("cora", "Cora", 2_708, 10_556, 1_433, 7, (140, 500, 1000)),
    ("citeseer", "CiteSeer", 3_327, 9_104, 3_703, 6, (120, 500, 1000)),
    ("computers", "Computers", 13_752, 491_722, 767, 10, (200, 300, 13_252)),
    pytest.param(
        *("physics", "Physics", 34_493, 495_924, 8_415, 5, (100, 150, 34_243)),
        marks=pytest.mark.slow,
    ),
    ("actor", "Actor", 7_600, 29_926, 932, 5, (3_648, 2_432, 1_520)),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "folder", "nodes", "edges", "width", "classes", "sizes"), COUNTS)
def test_the_counts_are_the_published_ones(
    name, folder, nodes, edges, width, classes, sizes, link_raw, build
):
    root = link_raw(folder)
    graph = build(root, f"dataset={name}")
    assert (graph.num_nodes, graph.num_edges, *graph.x.shape[1:]) == (nodes, edges, width)
    assert graph.num_classes == classes
    assert tuple(int(graph.mask(s).sum()) for s in ("train", "val", "test")) == sizes
    assert not (row_of_edge(graph.rowptr) == graph.col).any()
    shutil.rmtree(root / folder / "processed")  # Physics: a gigabyte
    shutil.rmtree(graph.cache_dir)


@pytest.mark.realdata
def test_the_edges_are_those_of_pyg(link_raw, build):
    from torch_geometric.datasets import Planetoid

    root = link_raw("Cora")
    graph = build(root, "dataset=cora")
    data = Planetoid(str(root), "Cora")[0]
    ours = torch.stack([graph.col.long(), row_of_edge(graph.rowptr)])
    order = (data.edge_index[1] * graph.num_nodes + data.edge_index[0]).argsort()
    assert torch.equal(ours, data.edge_index[:, order])
    assert torch.equal(graph.y, data.y)
    assert torch.allclose(graph.x.sum(1)[data.x.sum(1) > 0], torch.tensor(1.0))


@pytest.mark.realdata
def test_the_second_load_comes_from_the_cache_and_is_equal(link_raw, build):
    root = link_raw("Cora")
    first = build(root, "dataset=cora")
    shutil.rmtree(root / "Cora")
    second = build(root, "dataset=cora")
    assert second.fingerprint == first.fingerprint
    assert second.cache_dir == first.cache_dir
    for key in ("x", "rowptr", "col", "y", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(getattr(first, key), getattr(second, key)), key


@pytest.mark.realdata
def test_actor_has_ten_splits(link_raw, build):
    root = link_raw("Actor")
    first, last = (build(root, "dataset=actor", f"dataset.split_index={i}") for i in (0, 9))
    assert first.fingerprint != last.fingerprint
    assert not torch.equal(first.train_mask, last.train_mask)


@pytest.mark.realdata
def test_any_class_of_pyg_is_reached_by_its_path(link_raw, build):
    root = link_raw("PubMed")
    graph = build(
        root,
        "dataset=pyg",
        "dataset.source=torch_geometric.datasets.Planetoid",
        "+dataset.arguments.name=PubMed",
        "dataset.folder=''",
    )
    assert graph.spec[:4] == (19_717, 500, 3, False)
    assert float(graph.x.sum(1).max()) > 1.5  # not normalised unless asked for
