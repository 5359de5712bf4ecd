"""A mistake in a person's own files is one line with the key, the value and the way out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

NODES = "id,f,g,label\n" + "".join(f"n{i},{i},{i % 7}.5,{'xyz'[i % 3]}\n" for i in range(30))
EDGES = "src,dst,weight\n" + "".join(f"n{i},n{i + 1},1\n" for i in range(29))
FILES = ("dataset=files", "dataset.edges=edges.csv", "dataset.nodes=nodes.csv")
Write = Callable[[], object]


def nodes(old: str, new: str) -> Write:
    assert old in NODES
    return lambda: Path("nodes.csv").write_text(NODES.replace(old, new))


def edges(old: str, new: str) -> Write:
    assert old in EDGES
    return lambda: Path("edges.csv").write_text(EDGES.replace(old, new))


def all_edges(text: str) -> Write:
    return lambda: Path("edges.csv").write_text(text)


def all_nodes(text: str) -> Write:
    return lambda: Path("nodes.csv").write_text(text)


def column(name: str, cell: Callable[[int], object]) -> Write:
    lines = NODES.splitlines()
    rows = (f"{line},{cell(i)}" for i, line in enumerate(lines[1:]))
    return all_nodes("\n".join([f"{lines[0]},{name}", *rows, ""]))


def nothing() -> None:
    """The files are right, and the keys are wrong."""


def parquet(name: str, **columns: object) -> Write:
    def write() -> None:
        import pyarrow as pa
        from pyarrow import parquet as format_

        format_.write_table(pa.table(columns), name)

    return write


NPY = "dataset.edges=edges.npy"
NUMBERED = all_nodes(NODES.replace("\nn", "\n"))


def both(*writes: Write) -> Write:
    return lambda: [write() for write in writes]


BAD_FILES: dict[str, tuple[Write, str, str]] = {
    "no edges named": (nothing, "dataset.edges=null", "dataset.edges must name a file, got None"),
    "no nodes named": (nothing, "dataset.nodes=null", "dataset.nodes must name a file, got None"),
    "a missing file": (
        nothing,
        "dataset.edges=edgse.csv",
        "edgse.csv: there is no such file (did you mean",
    ),
    "a folder": (nothing, "dataset.nodes=data", "data is a folder; name a file: CSV or TSV"),
    "an empty file": (all_edges(""), "", "edges.csv is empty; it needs a row"),
    "a header alone": (all_edges("src,dst\n"), "", "edges.csv has no rows; it needs one"),
    "comments alone": (all_edges("# nothing\n"), "", "edges.csv has no rows; it needs one"),
    "a spreadsheet": (
        lambda: Path("edges.xlsx").write_bytes(b"PK"),
        "dataset.edges=edges.xlsx",
        ".xlsx files cannot be read; save it as CSV",
    ),
    "a row with a cell more": (
        edges("n3,n4,1", "n3,n4,1,9"),
        "",
        "row 5 has 4 cells instead of 3 ('n3,n4,1,9'); give every row the same",
    ),
    "a row with a cell less": (nodes("n5,5,5.5,z", "n5,5,z"), "", "row 7 has 3 cells instead of 4"),
    "UTF-16": (
        lambda: Path("nodes.csv").write_bytes(NODES.encode("utf-16")),
        "",
        "nodes.csv is not UTF-8 text",
    ),
    "Latin-1": (
        lambda: Path("nodes.csv").write_bytes(NODES.replace("n5,", "Zo\xeb,").encode("latin-1")),
        "",
        "is not UTF-8 text; save the file as UTF-8",
    ),
    "half of a gzip file": (
        lambda: Path("edges.csv.gz").write_bytes(gzip.compress(EDGES.encode())[:40]),
        "dataset.edges=edges.csv.gz",
        "edges.csv.gz cannot be read",
    ),
    "text called gzip": (
        lambda: Path("edges.csv.gz").write_text(EDGES),
        "dataset.edges=edges.csv.gz",
        "edges.csv.gz cannot be read",
    ),
    "text called Parquet": (
        lambda: Path("edges.parquet").write_text(EDGES),
        "dataset.edges=edges.parquet",
        "edges.parquet cannot be read",
    ),
    "text called NumPy": (
        lambda: Path("edges.npz").write_text(EDGES),
        "dataset.edges=edges.npz",
        "edges.npz cannot be read",
    ),
    "one column of edges": (all_edges("src\nn1\nn2\n"), "", "has one column (src); edges need two"),
    "a column twice": (edges("src,dst", "src,src"), "", "has two columns called 'src'"),
    "an unknown column": (
        nothing,
        "dataset.source_column=srk",
        "dataset.source_column=srk: dataset.edges=",
    ),
    "a near column": (nothing, "dataset.label_column=lable", "(did you mean label?); it has id, f"),
    "an unknown weight": (nothing, "dataset.edge_weight=w", "dataset.edge_weight=w: dataset.edges"),
    "a column for both ends": (
        nothing,
        "dataset.source_column=dst",
        "dataset.destination_column are both 'dst'; name two columns",
    ),
    "a weight in words": (
        edges("n3,n4,1", "n3,n4,heavy"),
        "",
        "the weight of edge 4 must be a number, got 'heavy' in 'weight'; set dataset.edge_weight",
    ),
    "a blank weight": (
        edges("n3,n4,1", "n3,n4,"),
        "",
        "the weight of edge 4 must be a number, got",
    ),
    "a negative weight": (
        edges("n2,n3,1\nn3,n4,1", "n2,m3,1\nn3,n4,-1"),
        "",
        "edge weights must be finite and at least 0, edge 4 has -1 in 'weight'; correct it, or",
    ),
    "an endless weight": (edges("n3,n4,1", "n3,n4,inf"), "", "edge weights must be finite and at"),
    "a blank end": (
        edges("n3,n4,1", "n3,,1"),
        "",
        "edge 4 has no id in 'dst'; every edge needs tw",
    ),
    "no edge of these nodes": (
        all_edges("src,dst\np1,p2\n"),
        "",
        "no edge joins two nodes of dataset.nodes=",
    ),
    "ids with zeros": (
        both(NUMBERED, all_edges("src,dst\n001,002\n")),
        "",
        "(the first is edge 1, to '001', ids there are as 0); ids must be spelt alike",
    ),
    "an unknown id": (
        edges("n3,n4,1", "n3,m4,1"),
        "dataset.unknown_ids=refuse",
        "1 of 29 edges have ids that dataset.nodes=",
    ),
    "a repeated edge": (
        edges("n3,n4,1", "n3,n4,1\nn3,n4,1"),
        "dataset.duplicates=refuse",
        "is listed more than once; list it once, or set dataset.duplicates=first",
    ),
    "a self-loop": (
        edges("n3,n4,1", "n3,n3,1"),
        "dataset.self_loops=refuse",
        "an edge joins node n3 to itself",
    ),
    "unequal reverses": (
        edges("n3,n4,1", "n3,n4,1\nn4,n3,2"),
        "dataset.undirected=true",
        "dataset.undirected=true needs one weight for both directions",
    ),
    "numbers in one file, text in the other": (
        lambda: np.save("edges.npy", np.array([[0, 1, 2], [1, 2, 3]])),
        NPY,
        "ids are numbers (as 0), and text (as 'n0') in dataset.nodes=",
    ),
    "text in one file, numbers in the other": (
        both(
            parquet("nodes.parquet", id=[1, 2, 3], f=[1, 2, 3], label=["a", "b", "a"]),
            parquet("edges.parquet", src=["1", "2"], dst=["2", "3"]),
        ),
        "dataset.edges=edges.parquet dataset.nodes=nodes.parquet dataset.train_ratio=0.4 "
        "dataset.val_ratio=0.3",
        "ids are text (as '1'), and numbers (as 1) in dataset.nodes=",
    ),
    "edges in fractions": (
        both(NUMBERED, lambda: np.save("edges.npy", np.array([[0, 1.5, 2], [1, 2, 3]]))),
        NPY,
        "must be whole numbers or text, not all are",
    ),
    "edges in three rows": (lambda: np.save("edges.npy", np.ones((3, 4))), NPY, "[2, edges] or ["),
    "a flat list of edges": (
        lambda: np.save("edges.npy", np.ones(4)),
        NPY,
        "or [edges, 2], got [4]",
    ),
    "ids above 2**63": (
        both(NUMBERED, lambda: np.save("edges.npy", np.full((2, 3), 2**63, np.uint64))),
        NPY,
        "ids must be whole numbers or text, not all are; write them without fractions, and below",
    ),
    "ids that 32 bits round": (
        both(NUMBERED, lambda: np.save("edges.npy", np.full((2, 3), 2**25, np.float32))),
        NPY,
        "ids is stored as float, which cannot tell whole numbers above 16,777,216 apart; store in",
    ),
    "edges that are NaN": (
        both(NUMBERED, lambda: np.save("edges.npy", np.array([[0, np.nan, 2], [1, 2, 3]]))),
        NPY,
        "must be whole numbers or text, not all are",
    ),
    "complex edges": (
        lambda: np.save("edges.npy", np.ones((2, 4), complex)),
        NPY,
        "src has the type",
    ),
    "no arrays": (
        lambda: np.savez("edges.npz"),
        "dataset.edges=edges.npz",
        "edges.npz holds no arrays; it needs one for each column",
    ),
    "nodes and edges in one file": (
        lambda: np.savez("g.npz", x=np.ones((5, 2)), y=np.arange(5), edge_index=np.ones((2, 9))),
        "dataset.edges=g.npz dataset.nodes=g.npz",
        "its arrays must have equally many rows, they have x_0 5, x_1 5, y 5, src 9, dst 9; nodes",
    ),
    "a table without labels": (
        lambda: np.save("nodes.npy", np.ones((30, 2))),
        "dataset.nodes=nodes.npy",
        "no column is called label, y or class; name it with dataset.label_column=COLUMN",
    ),
    "two of three masks": (
        column("train_mask", lambda i: i % 2),
        "",
        "train_mask seem to be a split; name three masks with dataset.split_column=[TRAIN,VAL,TE",
    ),
    "masks of several splits": (
        both(
            lambda: np.savez(
                "nodes.npz",
                x=np.ones((9, 2)),
                y=np.arange(9) % 3,
                **{f"{part}_mask": np.ones((9, 4)) for part in ("train", "val", "test")},
            ),
            lambda: np.save("edges.npy", np.array([[0, 1, 2], [1, 2, 3]])),
        ),
        f"{NPY} dataset.nodes=nodes.npz",
        "train_mask_0, train_mask_1, train_mask_2, train_mask_3, val_mask_0, val_mask_1, val_mask",
    ),
    "masks that overlap": (
        both(
            all_nodes(
                "id,f,label,train_mask,val_mask,test_mask\n"
                + "".join(
                    f"n{i},{i},{'xy'[i % 2]},{+(i < 5)},{+(4 <= i < 8)},{+(i >= 8)}\n"
                    for i in range(12)
                )
            )
        ),
        "",
        "splits must be disjoint, node n4 is in more than one",
    ),
    "labels below -1": (
        column("kind", lambda i: [-100, 0, 1][i % 3]),
        "dataset.label_column=kind",
        "labels in 'kind' must be at least 0, or -1 for none, node n0 has -100; write classes as",
    ),
    "lists of labels": (
        parquet("nodes.parquet", id=["n1", "n2", "n3"], f=[1, 2, 3], label=[["a"], ["b"], []]),
        "dataset.nodes=nodes.parquet",
        "'label' has the type list<element: string>, it must hold numbers or text; write several",
    ),
    "rows of labels that are not one-hot": (
        all_nodes("id,f,label_a,label_b\n" + "".join(f"n{i},{i},1,{i % 2}\n" for i in range(9))),
        "dataset.labels=single",
        "dataset.labels=single needs one 1 in each row of labels, and some rows have none or sev",
    ),
    "a square of edges": (lambda: np.save("edges.npy", np.ones((2, 2))), NPY, "or [edges, 2], got"),
    "Python objects": (
        lambda: np.save("edges.npy", np.array([[None, 1, 2]] * 2, object)),
        NPY,
        "edges.npy cannot be read",
    ),
    "arrays of two lengths": (
        lambda: np.savez("edges.npz", src=[1, 2], dst=[1]),
        "dataset.edges=edges.npz",
        "its arrays must have equally many rows, they have src 2, dst 1",
    ),
    "nested ids": (
        parquet("edges.parquet", src=[[1], [2]], dst=[1, 2]),
        "dataset.edges=edges.parquet",
        "ids must be whole numbers or text: name another column",
    ),
    "nested features": (
        parquet("nodes.parquet", id=["n1", "n2", "n3"], f=[[1], [2], [3]], label=["a", "b", "a"]),
        "dataset.nodes=nodes.parquet dataset.feature_columns=[f]",
        "has the type list<element: int64>, which is no number and no text; leave it out",
    ),
    "a node twice": (
        nodes("n5,", "n4,"),
        "",
        "1 ids in 'id' are there more than once, the first i",
    ),
    "a blank id": (nodes("n5,", ","), "", "node 6 has no id in 'id'; every node needs one"),
    "no id": (
        nodes("id,", "who,"),
        "",
        "no column is called id or node_id; name it with dataset.i",
    ),
    "no label": (nodes("label", "kind"), "", "no column is called label, y or class; name it with"),
    "two labels": (
        column("y", lambda i: i % 2),
        "",
        "the label could be label or y; set dataset.l",
    ),
    "labels in real numbers": (
        column("price", lambda i: i + 0.25),
        "dataset.label_column=price",
        "node n0 has 0.25; regression is not supported",
    ),
    "a label for each node": (
        column("key", lambda i: f"k{i}"),
        "dataset.label_column=key",
        "every label in 'key' is there once (30 of them)",
    ),
    "one class": (
        column("kind", lambda _: "x"),
        "dataset.label_column=kind",
        "all labels in 'kind",
    ),
    "blank labels": (
        column("kind", lambda _: ""),
        "dataset.label_column=kind",
        "'kind' has no lab",
    ),
    "columns of labels in words": (
        nothing,
        "dataset.label_column=[label,g]",
        "a label column for each class must hold 0 or 1, 'label' has 'x' at node n0",
    ),
    "a separator that is not there": (
        column("tags", lambda _: "a"),
        "dataset.label_column=tags dataset.label_separator='/'",
        "dataset.label_separator='/' finds 1 classes in 'tags', at least 2 are needed",
    ),
    "a blank feature": (
        nodes("n5,5,", "n5,,"),
        "",
        "features must be finite numbers, node n5 has none in 'f' (1 such cells)",
    ),
    "an infinite feature": (
        nodes("n5,5,", "n5,inf,"),
        "dataset.missing=zero",
        "node n5 has inf in",
    ),
    "a word among numbers": (
        nodes("n5,5,", "n5,five,"),
        "",
        "'f' holds numbers, except 'five' at node number 6; correct it",
    ),
    "a comma in decimals": (
        column("size", lambda i: f'"{i % 5},25"'),
        "",
        "'size' holds numbers such as '0,25'; write them as 1234.5, or name the features with",
    ),
    "a comma in thousands": (
        column("size", lambda i: f'"{i % 5},250.5"'),
        "",
        "'size' holds numbers such as '0,250.5'; write them as 1234.5, or name the",
    ),
    "a percent sign": (column("size", lambda i: f"{i % 5} %"), "", "holds numbers such as '0 %'"),
    "no features": (
        all_nodes("id,label\nn1,x\nn2,y\nn3,x\nn4,y\nn5,x\n"),
        "",
        "has no feature columns; add some, or give a file of features with dataset.features=",
    ),
    "a label as a feature": (nothing, "dataset.feature_columns=[f,label]", "would give the answer"),
    "names as categories": (
        column("name", lambda i: f"k{i}"),
        "dataset.feature_columns=[name] dataset.max_categories=9",
        "has more than dataset.max_categories=9 different words",
    ),
    "no categories at all": (
        nothing,
        "dataset.max_categories=0",
        "max_categories must be positive",
    ),
    "blank features in a file of their own": (
        lambda: np.save("x.npy", np.full((30, 2), np.nan)),
        "dataset.features=x.npy",
        "x.npy: features must be finite numbers, node n0 has none in '0' (30 such cells)",
    ),
    "features of other nodes": (
        lambda: np.save("x.npy", np.ones((29, 3))),
        "dataset.features=x.npy",
        "a row for each of the 30 nodes, in their order, its shape is [29, 3]",
    ),
    "features in words": (
        lambda: np.save("x.npy", np.full((30, 2), "a")),
        "dataset.features=x.npy",
        "features must be real numbers, they are <U1",
    ),
    "features as text": (nothing, "dataset.features=nodes.csv", "must be an .npy file, or an .npz"),
    "features too large": (
        lambda: sparse.save_npz("x.npz", sparse.csr_array((30, 10**11), dtype=np.int8)),
        "dataset.features=x.npz",
        "GiB as float32 and ",
    ),
    "a split of other words": (
        column("split", lambda i: ["train", "val", "holdout"][i % 3]),
        "",
        "the split in 'split' must be train, val or test (or 0, 1, 2, or 1, 2, 3), and have all",
    ),
    "a split without tests": (
        column("split", lambda i: ["train", "val"][i % 2]),
        "",
        "the split in 'split' must be train, val or test",
    ),
    "a split of nodes without labels": (
        both(
            lambda: None,
            all_nodes(
                "id,f,label,split\n"
                + "".join(
                    f"n{i},{i},{'xy '[i % 3]},{['train', 'val', 'test'][i % 3]}\n" for i in range(9)
                )
            ),
        ),
        "",
        "3 nodes of the test split have no label, the first is n2; leave their split blank",
    ),
    "no split column": (
        nothing,
        "dataset.split=public",
        "has no column called split; name it with",
    ),
    "two masks": (
        nothing,
        "dataset.split_column=[f,g]",
        "or three masks (training, validation, te",
    ),
    "a mask of words": (
        nothing,
        "dataset.split_column=[label,f,g]",
        "must be 0 or 1, or true or f",
    ),
    "shares above one": (
        nothing,
        "dataset.train_ratio=0.9",
        "must be above 0 and below 1 together",
    ),
    "a negative seed": (nothing, "dataset.split_seed=-1", "dataset.split_seed must be at least 0"),
    "a class too small": (
        nothing,
        "dataset.split=per_class",
        "must be at most 10, the size of class x, got 50; lower them",
    ),
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nodes.csv").write_text(NODES)
    Path("edges.csv").write_text(EDGES)
    Path("data").mkdir(exist_ok=True)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("write", "keys", "part"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_mistake_in_files_is_one_line(
    write: Write, keys: str, part: str, call: Callable[..., tuple[int, str]]
) -> None:
    write()
    code, stderr = call("data", *FILES, *keys.split())
    assert code == 2, stderr
    assert stderr.splitlines()[-1].startswith("redditgnn: dataset")
    assert part in stderr.splitlines()[-1]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", ["a missing file", "a weight in words", "a blank feature"])
def test_train_refuses_the_same_files(name: str, call: Callable[..., tuple[int, str]]) -> None:
    write, keys, part = BAD_FILES[name]
    write()
    code, stderr = call("train", *FILES, *keys.split(), "device=cpu", "sampler=full")
    assert code == 2
    assert part in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not Path("results/runs.csv").exists()


def test_the_table_is_long() -> None:
    assert len(BAD_FILES) >= 60


@pytest.mark.parametrize("name", ["edges.csv", "csv", "data/edges.csv", "./edges.csv", "mine"])
def test_the_refusal_of_an_unknown_dataset_names_files(
    name: str, call: Callable[..., tuple[int, str]]
) -> None:
    code, message = call("data", f"dataset={name}")
    assert code == 2
    assert message.startswith(f"redditgnn: dataset={name}: no such option")
    assert (
        "your own graph: dataset=files dataset.edges=edges.csv dataset.nodes=nodes.csv" in message
    )
