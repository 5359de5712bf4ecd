"""A person's own files become the graph that they describe."""

from __future__ import annotations

import csv
import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from redditgnn.config.compose import compose_settings
from redditgnn.dataset.cache import conversion_facts
from redditgnn.graph.data import GraphData

NODES = """id,age,height,colour,label,split
a,1,0.5,red,cat,train
b,2,1.5,blue,dog,val
007,3,2.5,red,owl,test
7,4,3.5,red,,
e,5,4.5,blue,dog,train
f,6,5.5,blue,cat,test
"""
EDGES = "src,dst\na,b\nb,007\n007,7\ne,a\nf,e\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., GraphData]:
    """Load the graph of edges.csv and nodes.csv in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "edges.csv").write_text(EDGES)

    def run(*keys: str, edges: str = "edges.csv", nodes: str = "nodes.csv") -> GraphData:
        files = (f"dataset.edges={edges}", f"dataset.nodes={nodes}")
        return compose_settings(["dataset=files", *files, *keys]).build("dataset", Path("data"))

    return run


def edges_of(graph: GraphData) -> list[tuple[str, str]]:
    """The edges by the names of their nodes."""
    names = graph.names.nodes.tolist()
    destination = np.repeat(np.arange(graph.num_nodes), graph.degree.numpy())
    return sorted(
        (names[s], names[d]) for s, d in zip(graph.col.tolist(), destination, strict=True)
    )


LISTED = [("007", "7"), ("a", "b"), ("b", "007"), ("e", "a"), ("f", "e")]


def test_words_and_blanks_become_a_graph_that_keeps_their_names(load):
    graph = load("dataset.name=mine")
    assert edges_of(graph) == LISTED
    assert graph.names.nodes.tolist() == ["a", "b", "007", "7", "e", "f"]
    assert graph.names.classes == ("cat", "dog", "owl")
    assert graph.y.tolist() == [0, 1, 2, -1, 1, 0]
    assert graph.names.features == ("age", "height", "colour=blue", "colour=red")
    assert graph.x[1].tolist() == [2, 1.5, 1, 0]
    assert graph.train_mask.nonzero().view(-1).tolist() == [0, 4]
    assert graph.val_mask.nonzero().view(-1).tolist() == [1]
    assert graph.test_mask.nonzero().view(-1).tolist() == [2, 5]


FORMS = {
    "tabs": ("edges.tsv", EDGES.replace(",", "\t")),
    "spaces": ("edges.txt", EDGES.replace(",", " ")),
    "semicolons": ("edges.csv", EDGES.replace(",", ";")),
    "no header": ("edges.csv", EDGES.partition("\n")[2]),
    "a header of other words": ("edges.csv", EDGES.replace("src,dst", "left,right")),
    "comments": ("edges.txt", "# of SNAP\n# two lines\n" + EDGES),
    "spaces around cells": ("edges.csv", EDGES.replace(",", " , ")),
    "quotes": ("edges.csv", EDGES.replace("e,a", '"e","a"')),
    "lines of Windows": ("edges.csv", EDGES.replace("\n", "\r\n")),
    "a mark of the byte order": ("edges.csv", "\ufeff" + EDGES),
    "blank lines": ("edges.csv", EDGES.replace("\n", "\n\n")),
    "columns in another order": (
        "edges.csv",
        "note,dst,src\n1,b,a\n2,007,b\n3,7,007\n,a,e\n,e,f\n",
    ),
}


@pytest.mark.parametrize(("file", "text"), FORMS.values(), ids=FORMS.keys())
def test_edges_are_the_same_however_they_are_written(file, text, load):
    Path(file).write_bytes(text.encode())
    assert edges_of(load(edges=file)) == LISTED


def test_compressed_text_is_read(load):
    Path("edges.csv.gz").write_bytes(gzip.compress(EDGES.encode()))
    Path("nodes.csv.gz").write_bytes(gzip.compress(NODES.encode()))
    assert edges_of(load(edges="edges.csv.gz", nodes="nodes.csv.gz")) == LISTED


def number_nodes(num_nodes: int = 6) -> None:
    rows = (f"{i},{i / 2},{'xyz'[i % 3]}" for i in range(num_nodes))
    Path("nodes.csv").write_text("\n".join(["id,f,label", *rows, ""]))


ENDS = np.array([[0, 1, 2, 4, 5], [1, 2, 3, 0, 4]])
ARRAYS = {
    "edge_index": lambda: np.save("edges.npy", ENDS),
    "a row an edge": lambda: np.save("edges.npy", ENDS.T),
    "by name": lambda: np.savez("edges.npz", source=ENDS[0], target=ENDS[1]),
    "edge_index by name": lambda: np.savez("edges.npz", edge_index=ENDS),
    "a sparse matrix": lambda: sparse.save_npz(
        "edges.npz", sparse.coo_array((np.ones(5), tuple(ENDS)), shape=(6, 6))
    ),
}


@pytest.mark.parametrize("save", ARRAYS.values(), ids=ARRAYS.keys())
def test_edges_in_arrays_are_read(save, load):
    number_nodes()
    save()
    (file,) = Path().glob("edges.np*")
    assert edges_of(load(edges=file.name)) == [(0, 1), (1, 2), (2, 3), (4, 0), (5, 4)]


def test_nodes_and_edges_in_parquet_are_read(load):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    nodes = {"id": [5, 6, 7, 8, 9], "f": [1, 2, 3, 4, 5], "flag": [True, False, True, True, True]}
    nodes |= {"label": pa.array(["x", "y", "x", None, "y"]).dictionary_encode()}
    parquet.write_table(pa.table(nodes), "nodes.parquet")
    edges = pa.table({"u": [5, 6, 9], "v": [6, 7, 8], "weight": [0.5, 2.0, 1.0]})
    parquet.write_table(edges, "edges.parquet")
    graph = load("dataset.val_ratio=0.25", edges="edges.parquet", nodes="nodes.parquet")
    assert edges_of(graph) == [(5, 6), (6, 7), (9, 8)]
    assert graph.edge_weight.tolist() == [0.5, 2, 1]
    assert graph.x[:, 1].tolist() == [1, 0, 1, 1, 1]
    assert graph.y.tolist() == [0, 1, 0, -1, 1]


def test_nodes_in_arrays_are_numbered_and_a_matrix_is_features(load):
    np.savez("nodes.npz", x=np.eye(6), y=np.array([0, 1, 0, 1, -1, 1]))
    np.save("edges.npy", ENDS)
    graph = load(edges="edges.npy", nodes="nodes.npz")
    assert graph.x.tolist() == np.eye(6).tolist()
    assert graph.y.tolist() == [0, 1, 0, 1, -1, 1]
    assert graph.names.nodes.tolist() == list(range(6))


def test_a_file_without_header_is_an_id_features_and_a_label(load):
    Path("cora.content").write_text("31\t0\t1\tx\n9\t1\t0\ty\n4\t1\t1\tx\n5\t0\t0\ty\n8\t1\t0\tx\n")
    Path("cora.cites").write_text("31\t9\n4\t5\n")
    graph = load(edges="cora.cites", nodes="cora.content")
    assert graph.name == "cora"
    assert edges_of(graph) == [(4, 5), (31, 9)]
    assert graph.x[:2].tolist() == [[0, 1], [1, 0]]
    assert graph.names.classes == ("x", "y")


def test_columns_can_be_named(load):
    Path("nodes.csv").write_text("label,who,a,b,kind\n1,p,1,9,x\n2,q,2,8,y\n3,r,3,7,x\n4,s,4,6,y\n")
    Path("edges.csv").write_text("x,to,from\np,q,r\nq,r,s\n")
    graph = load(
        *("dataset.id_column=who", "dataset.label_column=kind", "dataset.feature_columns=[b]"),
        *("dataset.source_column=to", "dataset.destination_column=x"),
        *("dataset.train_ratio=0.5", "dataset.val_ratio=0.25"),
    )
    assert edges_of(graph) == [("q", "p"), ("r", "q")]
    assert graph.x.view(-1).tolist() == [9, 8, 7, 6]
    assert graph.names.classes == ("x", "y")
    assert conversion_facts(graph)["columns_left_out"] == ["label", "a"]


def test_what_was_understood_and_left_out_is_said(load, caplog):
    Path("edges.csv").write_text("src,dst,since\na,b,1\nb,zz,2\nyy,b,3\ne,a,4\n")
    names = "\n".join(f"{line},n{k}" for k, line in enumerate(NODES.splitlines()))
    Path("nodes.csv").write_text(names.replace("split,n0", "split,name"))
    with caplog.at_level(logging.WARNING):
        graph = load("dataset.max_categories=3", "dataset.split=ratio")
    assert "edges are src -> dst, weights none, columns left out: since" in caplog.text
    assert "2 of 4 edges are dropped" in caplog.text
    assert "the first is edge 2, to 'zz'" in caplog.text
    assert "features from age, height, colour, columns left out: name" in caplog.text
    assert conversion_facts(graph)["unknown_ids"] == 2
    assert edges_of(graph) == [("a", "b"), ("e", "a")]


LABELS = {
    "whole numbers": (["1", "3", "3", "1", "5"], ("1", "3", "5"), [0, 1, 1, 0, 2]),
    "floats of pandas": (["1.0", "", "0.0", "1.0", "NaN"], ("0", "1"), [1, -1, 0, 1, -1]),
    "minus one": (["-1", "10", "9", "9", "10"], ("9", "10"), [-1, 1, 0, 0, 1]),
    "words": (["b", "a", "nan", "a", "b"], ("a", "b"), [1, 0, -1, 0, 1]),
    "codes with zeros": (["01", "1", "01", "1", ""], ("01", "1"), [0, 1, 0, 1, -1]),
}


@pytest.mark.parametrize(("cells", "classes", "y"), LABELS.values(), ids=LABELS.keys())
def test_labels_are_classes_and_blanks_are_none(cells, classes, y, load):
    rows = (f"{i},{i},{cell}" for i, cell in enumerate(cells))
    Path("nodes.csv").write_text("\n".join(["id,f,label", *rows, ""]))
    Path("edges.csv").write_text("0,1\n")
    graph = load("dataset.train_ratio=0.4", "dataset.val_ratio=0.3")
    assert graph.names.classes == classes
    assert graph.y.tolist() == y


def test_several_labels_are_read_from_a_separator_or_from_columns(load):
    Path("edges.csv").write_text("0,1\n")
    cells = ["a;b", "b", "", "c;a", "c"]
    rows = (f"{i},{i},{cell}" for i, cell in enumerate(cells))
    Path("nodes.csv").write_text("\n".join(["id,f,label", *rows, ""]))
    expected = [[1, 1, 0], [0, 1, 0], [-1, -1, -1], [1, 0, 1], [0, 0, 1]]
    graph = load("dataset.label_separator=';'")
    assert graph.y.tolist() == expected
    flags = ["1,1,0", "0,1,0", ",,", "1,0,1", "0,0,1"]
    rows = (f"{i},{i},{cell}" for i, cell in enumerate(flags))
    Path("nodes.csv").write_text("\n".join(["id,f,a,b,c", *rows, ""]))
    graph = load("dataset.label_column=[a,b,c]")
    assert graph.y.tolist() == expected
    assert graph.names.classes == ("a", "b", "c")


@pytest.mark.parametrize(("joined", "warned"), [("b;c", True), ("b;d", False), ("b-c", False)])
def test_a_class_that_joins_others_is_warned_of(joined, warned, load, caplog):
    cells = ["b", "c", joined, "b", "c", joined]
    rows = (f"{i},{i},{cell}" for i, cell in enumerate(cells))
    Path("nodes.csv").write_text("\n".join(["id,f,label", *rows, ""]))
    Path("edges.csv").write_text("0,1\n")
    assert len(load("dataset.train_ratio=0.4", "dataset.val_ratio=0.3").names.classes) == 3
    message = f"{joined!r} is one class in 'label' (1 such classes); dataset.label_separator=';'"
    assert (message in caplog.text) == warned


@pytest.mark.parametrize("cells", ["012012", "123120", ["train", "Valid", "test", "dev", "", ""]])
def test_a_split_is_words_or_numbers(cells, load):
    known = {"0": 0, "1": 1, "2": 2} if cells == "012012" else {"1": 0, "2": 1, "3": 2, "0": -1}
    known |= {"train": 0, "Valid": 1, "dev": 1, "test": 2, "": -1}
    rows = (f"{i},{i},{'xy'[i % 2]},{cell}" for i, cell in enumerate(cells))
    Path("nodes.csv").write_text("\n".join(["id,f,label,split", *rows, ""]))
    Path("edges.csv").write_text("0,1\n")
    graph = load()
    masks = (graph.train_mask, graph.val_mask, graph.test_mask)
    for part, mask in enumerate(masks):
        assert mask.tolist() == [known[cell] == part for cell in cells]


@pytest.mark.parametrize("split", ["auto", "ratio", "per_class", "random"])
def test_a_drawn_split_takes_only_nodes_with_labels_and_follows_its_seed(split, load):
    rows = (f"{i},{i},{'xy '[i % 3]}" for i in range(60))
    Path("nodes.csv").write_text("\n".join(["id,f,label", *rows, ""]))
    Path("edges.csv").write_text("0,1\n")
    sizes = ("dataset.train_per_class=5", "dataset.val_per_class=3")
    graphs = [load(f"dataset.split={split}", *sizes, f"dataset.split_seed={k}") for k in (0, 1)]
    expected = [24, 8, 8] if split in ("auto", "ratio") else [10, 6, 24]
    for graph in graphs:
        masks = (graph.train_mask, graph.val_mask, graph.test_mask)
        assert [int(mask.sum()) for mask in masks] == expected
        assert (graph.y[sum(masks).bool()] >= 0).all()
    assert graphs[0].train_mask.tolist() != graphs[1].train_mask.tolist()


def test_rules_of_edges_are_keys(load):
    Path("edges.csv").write_text("src,dst,weight\na,b,1\na,b,2\ne,e,5\nf,e,0.5\n")
    graph = load("dataset.undirected=true", "dataset.duplicates=sum")
    assert edges_of(graph) == [("a", "b"), ("b", "a"), ("e", "f"), ("f", "e")]
    assert sorted(graph.edge_weight.tolist()) == [0.5, 0.5, 3, 3]
    assert conversion_facts(graph)["self_loops"] == 1
    assert load("dataset.edge_weight=false").edge_weight is None


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_features_come_from_a_file(kind, load):
    matrix = np.arange(12.0).reshape(6, 2)
    if kind == "dense":
        np.save("features.npy", matrix)
    else:
        sparse.save_npz("features.npz", sparse.csr_array(matrix))
    (file,) = Path().glob("features.*")
    graph = load(f"dataset.features={file}")
    assert graph.x.tolist() == matrix.tolist()
    graph = load(f"dataset.features={file}", "dataset.feature_columns=[age]")
    assert graph.x.tolist() == np.hstack([matrix, [[1], [2], [3], [4], [5], [6]]]).tolist()


def test_missing_features_can_be_replaced(load):
    Path("nodes.csv").write_text(NODES.replace("a,1,", "a,,").replace("b,2,", "b,nan,"))
    assert load("dataset.missing=zero").x[:, 0].tolist() == [0, 0, 3, 4, 5, 6]
    assert load("dataset.missing=mean").x[:, 0].tolist() == [4.5, 4.5, 3, 4, 5, 6]


def test_a_changed_file_is_read_again_and_another_folder_is_another_graph(load, monkeypatch):
    first = load()
    (meta,) = Path("data").glob("redditgnn-cache/*/meta.json")
    assert len(json.loads(meta.read_text())["raw_files"]) == 2
    Path("edges.csv").write_text(EDGES + "a,f\n")
    changed = load()
    assert edges_of(changed) == sorted([*LISTED, ("a", "f")])
    assert changed.fingerprint.edges != first.fingerprint.edges
    Path("other").mkdir()
    Path("other/edges.csv").write_text("src,dst\na,b\n")
    Path("other/nodes.csv").write_text(NODES)
    (Path("other") / "data").symlink_to(Path("data").absolute())
    monkeypatch.chdir("other")
    assert edges_of(load()) == [("a", "b")]


def test_blocks_are_joined_as_one_table(load, monkeypatch):
    monkeypatch.setattr("redditgnn.dataset.delimited.BLOCK_BYTES", 64)
    rows = (f"n{i},{i},{'red' if i > 50 else ''},{'xy'[i % 2]}" for i in range(100))
    Path("nodes.csv").write_text("\n".join(["id,f,colour,label", *rows, ""]))
    Path("edges.csv").write_text(
        "\n".join(["src,dst,w", *(f"n{i},n{i + 1},{i}" for i in range(99))])
    )
    graph = load()
    assert graph.x[:, 0].tolist() == list(range(100))
    assert graph.x[:, 1].tolist() == [0] * 51 + [1] * 49
    assert len(edges_of(graph)) == 99
    assert graph.edge_weight.tolist() == list(range(99))


def write_planted_graph(folder: Path) -> None:
    """Write 300 nodes with ids and labels in words, some blank, and edges mostly inside classes."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    x = (np.eye(3)[label] + rng.normal(0, 1, (300, 3))).round(4)
    ends = rng.integers(0, 299, (6000, 2))
    ends = ends[(label[ends[:, 0]] == label[ends[:, 1]]) | (rng.random(6000) < 0.1)][:1200]
    names = [f"P{1000000000000 + 7 * i}" for i in range(300)]
    words = [("cat", "dog", "owl")[k] if i % 10 else "" for i, k in enumerate(label)]
    rows = (f"{names[i]},{x[i, 0]},{x[i, 1]},{x[i, 2]},{words[i]}" for i in range(300))
    (folder / "nodes.csv").write_text("\n".join(["id,f0,f1,f2,label", *rows, ""]))
    pairs = (f"{names[s]},{names[d]}" for s, d in ends)
    (folder / "edges.csv").write_text("\n".join(["src,dst", *pairs, ""]))


def test_files_become_a_trained_model_in_one_command(tmp_path, monkeypatch, works):
    monkeypatch.chdir(tmp_path)
    write_planted_graph(tmp_path)
    files = ("dataset=files", "dataset.edges=edges.csv", "dataset.nodes=nodes.csv")
    keys = ("dataset.undirected=true", "model=gat", "sampler=full", "model.hidden_channels=16")
    works("train", *files, *keys, "trainer.epochs=40", "device=cpu", "optimizer.lr=0.02")
    with Path("results/runs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["test_accuracy"]) >= 0.8


def test_one_way_edges_are_said_unless_the_direction_is_chosen(load, caplog):
    load()
    assert "edges have their reverse (" in caplog.text
    caplog.clear()
    load("dataset.undirected=true")
    load("dataset.undirected=false")
    assert "have their reverse" not in caplog.text


def test_columns_of_zeros_and_ones_can_be_read_as_classes(load, caplog):
    rows = (f"{name},{k},{k % 2},{1 - k % 2}\n" for k, name in enumerate("abcdef"))
    Path("nodes.csv").write_text("id,age,label_x,label_y\n" + "".join(rows))
    assert load().spec.multi_label
    assert "dataset.labels=single reads them as classes" in caplog.text
    graph = load("dataset.labels=single")
    assert graph.y.tolist() == [1, 0] * 3
    assert graph.names.classes == ("label_x", "label_y")


@pytest.mark.parametrize("blank", ["", "NA", "None", "<NA>", "nan", "-1"])
def test_blanks_of_all_kinds_are_no_label_and_are_said(blank, load, caplog):
    Path("nodes.csv").write_text(
        "id,age,label\n"
        + "".join(f"{n},{k},{'xy'[k % 2] if k else blank}\n" for k, n in enumerate("abcdef"))
    )
    assert load("dataset.train_ratio=0.4").y.tolist() == [-1, 1, 0, 1, 0, 1]
    assert "1 of 6 nodes have no label" in caplog.text


def test_masks_are_never_features(load):
    masks = ("train_mask", "valid_mask", "test_mask")
    rows = (
        f"{n},{k},{'xy'[k % 2]},{+(k < 2)},{+(k in (2, 3))},{+(k > 3)}\n"
        for k, n in enumerate("abcdef")
    )
    Path("nodes.csv").write_text(f"id,age,label,{','.join(masks)}\n" + "".join(rows))
    assert load().train_mask.tolist() == [True, True, False, False, False, False]
    assert load("dataset.split_column=null").x.shape == (6, 1)


def test_a_saved_run_elsewhere_says_which_file_it_misses(tmp_path, monkeypatch, works, call):
    monkeypatch.chdir(tmp_path)
    write_planted_graph(tmp_path)
    files = ("dataset=files", "dataset.edges=edges.csv", "dataset.nodes=nodes.csv")
    works("train", *files, "model=gcn", "sampler=full", "trainer.epochs=1", "device=cpu")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    code, stderr = call("predict", "latest", "results_dir=../results")
    assert code == 2
    assert stderr.count("\n") == 1
    assert (
        "nodes.csv: there is no such file; name it with dataset.nodes=PATH, which is rel" in stderr
    )
    found = ("dataset.edges=../edges.csv", "dataset.nodes=../nodes.csv")
    works("predict", "latest", "results_dir=../results", *found, "--out", "answers.csv")
    assert len(Path("answers.csv").read_text().splitlines()) == 301
