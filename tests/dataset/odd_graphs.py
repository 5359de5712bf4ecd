"""A graph of 30 nodes as a `Data` of PyG, and what people put into one that is no graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch_geometric.data import Batch, Data

N, E = 30, 60
NODES = torch.arange(N)
EDGES = torch.stack([torch.cat([NODES, (NODES + 1) % N]), torch.cat([(NODES + 1) % N, NODES])])
X, Y = torch.randn(N, 3, generator=torch.Generator().manual_seed(0)), NODES % 3
MASKS = {f"{split}_mask": k == NODES % 3 for k, split in enumerate(("train", "val", "test"))}
LABELLED_MASKS = {key: k == NODES % 9 for k, key in zip((1, 2, 4), MASKS, strict=True)}
NAN, INF = float("nan"), float("inf")
Change = Callable[[], dict[str, Any]]


def data(**replaced: Any) -> Data:
    """Return the graph with some attributes replaced, and without those that are None."""
    content = {"x": X, "edge_index": EDGES, "y": Y, **MASKS, **replaced}
    return Data(**{key: value for key, value in content.items() if value is not None})


def masks(change: Callable[[torch.Tensor], Any]) -> Change:
    return lambda: {key: change(mask) for key, mask in MASKS.items()}


def put(key: str, make: Callable[[], Any]) -> Change:
    return lambda: {key: make()}


def at(tensor: torch.Tensor, value: float) -> torch.Tensor:
    """Put `value` into the place of every 7."""
    return torch.where(tensor == 7, value, tensor)


def without_masks(**replaced: Any) -> Data:
    return data(**dict.fromkeys(MASKS), **replaced)


def weights(**replaced: Any) -> list[Data]:
    return [data(), data(**replaced)]


SHAPE = "edge_index must have the shape [2, edges], got "
RANGE = "edges must join nodes in [0, 30), got "
NO_TRAIN = "the files have no usable train_mask"
ROWS = "every node needs features and a label, got "
ONE_SPLIT = "true or false, or 1 or 0, for every node, it holds "

REFUSED: dict[str, tuple[Change, str]] = {
    "edges [E, 2]": (put("edge_index", lambda: EDGES.T), f"{SHAPE}[60, 2]; transpose it"),
    "edges [3, E]": (
        put("edge_index", lambda: torch.cat([EDGES, EDGES[:1]])),
        f"{SHAPE}[3, 60]; its rows are sources and destinations",
    ),
    "edges flat": (put("edge_index", lambda: EDGES.reshape(-1)), f"{SHAPE}[120]; its rows"),
    "edges in 3 dimensions": (put("edge_index", lambda: EDGES[..., None]), f"{SHAPE}[2, 60, 1]"),
    "edges a number": (put("edge_index", lambda: torch.tensor(3)), "is a tensor of torch.int64"),
    "edges as pairs": (put("edge_index", EDGES.T.tolist), f"{SHAPE}[60, 2]; transpose it"),
    "edges ragged": (
        put("edge_index", lambda: [[0, 1], [1]]),
        "edge_index is a list whose rows have different lengths",
    ),
    "edges in words": (
        put("edge_index", lambda: [["a"], ["b"]]),
        "edge_index must hold numbers, it holds 'a'",
    ),
    "edges a dict": (put("edge_index", lambda: {"a": 1}), "builtins.dict, which is no array"),
    "edges in fractions": (put("edge_index", lambda: EDGES + 0.5), "entry [0, 0] is 0.5"),
    "edges NaN": (put("edge_index", lambda: at(EDGES, NAN)), "entry [0, 7] is nan"),
    "edges infinite": (put("edge_index", lambda: at(EDGES, INF)), "entry [0, 7] is inf"),
    "edges None": (
        put("edge_index", lambda: np.array([[None, 1], [1, 2]], object)),
        "entry [0, 0] is nan",
    ),
    "edges complex": (
        put("edge_index", lambda: EDGES.to(torch.complex64)),
        "edge_index must hold numbers, it holds complex64",
    ),
    "edges bool": (put("edge_index", lambda: EDGES > 3), "must hold node numbers, it holds bool"),
    "edges in rounded floats": (
        put("edge_index", lambda: EDGES.float() + 2**25),
        "edge_index is stored as float32, which cannot tell whole numbers above 16,777,216 apart",
    ),
    "edges negative": (put("edge_index", lambda: at(EDGES, -1)), f"{RANGE}-1 to 29"),
    "edges from 1": (put("edge_index", lambda: EDGES + 1), f"{RANGE}1 to 30"),
    "edges that are valid in 32 bits": (
        put("edge_index", lambda: at(EDGES, 2**32 + 5)),
        f"{RANGE}0 to 4,294,967,301",
    ),
    "edges above 2**63": (
        put("edge_index", lambda: EDGES.numpy().astype(np.uint64) + np.uint64(2**63)),
        "edge_index must be below 2**63, got 9,223,372,036,854,775,8",
    ),
    "edges as a matrix": (
        put("edge_index", lambda: torch.eye(N)),
        f"{SHAPE}[30, 30]; a matrix of nodes becomes edges by torch_geometric.utils.dense_to_spar",
    ),
    "edges as a matrix too large to be dense": (
        put("edge_index", lambda: sparse.coo_array(([1], ([0], [1])), shape=(10**9, 10**9))),
        f"{SHAPE}[1000000000, 1000000000]; a matrix of nodes becomes edges by",
    ),
    "edges as a sparse tensor": (
        put("edge_index", lambda: torch.eye(N).to_sparse()),
        f"{SHAPE}[30, 30]; a matrix",
    ),
    "no edges at all": (put("edge_index", lambda: None), "Data has no edge_index; choose a dat"),
    "adj_t of fewer nodes": (
        lambda: {"edge_index": None, "adj_t": torch.eye(20).to_sparse_csr()},
        "adj_t must be a sparse matrix of [30, 30], a row for each destination, its shape is [20",
    ),
    "adj_t dense": (
        lambda: {"edge_index": None, "adj_t": torch.eye(N)},
        "adj_t must be a sparse matrix of [30, 30], a row for each destination, it is not sparse",
    ),
    "weights too few": (
        put("edge_weight", lambda: torch.ones(5)),
        "every edge needs a weight, got 5 weights for 60 edges; correct them, or set",
    ),
    "weights negative": (
        put("edge_weight", lambda: -torch.ones(E)),
        "edge weights must be finite and at least 0, edge 0 has -1",
    ),
    "weights NaN": (put("edge_weight", lambda: torch.full((E,), NAN)), "edge 0 has nan"),
    "weights in words": (
        put("edge_weight", lambda: ["a"] * E),
        "it holds 'a'; or ignore it by dataset.edge_weight=false",
    ),
    "edge_attr in words": (
        put("edge_attr", lambda: ["likes"] * E),
        "edge_attr must hold numbers, it holds 'likes'; or ignore it by dataset.edge_weight=false",
    ),
    "one weight": (put("edge_weight", lambda: 1.0), "builtins.float, which is no array"),
    "masks [10, N]": (
        masks(lambda mask: mask.expand(10, N)),
        f"{NO_TRAIN}: its shape is [10, 30] and must be [30] or [30, splits]; transpose it, or se",
    ),
    "masks of node numbers": (
        masks(lambda mask: mask.nonzero().view(-1)),
        "node numbers become a mask by torch_geometric.utils.index_to_mask, or set dataset.split=",
    ),
    "masks of all node numbers": (put("train_mask", lambda: NODES), f"{ONE_SPLIT}2"),
    "masks of -1": (masks(lambda mask: mask.long() * 2 - 1), f"{ONE_SPLIT}-1"),
    "masks NaN": (masks(lambda mask: torch.where(mask, 1.0, NAN)), f"{ONE_SPLIT}nan"),
    "masks in 3 dimensions": (masks(lambda mask: mask[:, None, None]), "its shape is [30, 1, 1]"),
    "masks without a split": (masks(lambda mask: mask[:, None][:, :0]), "its shape is [30, 0]"),
    "masks in words": (masks(lambda mask: list(map(str, mask.tolist()))), "it holds 'True'"),
    "masks of other numbers of splits": (
        lambda: {
            "train_mask": MASKS["train_mask"][:, None].expand(N, 10),
            "val_mask": MASKS["val_mask"][:, None].expand(N, 5),
        },
        "dataset.split_index: the masks have 10, 5, 1 splits; give all three the same number",
    ),
    "valid_mask": (
        lambda: {"val_mask": None, "valid_mask": MASKS["val_mask"]},
        "the files have no usable val_mask but valid_mask; make it a mask called val_mask, or set",
    ),
    "train_idx": (
        lambda: {"train_mask": None, "train_idx": torch.arange(10)},
        f"{NO_TRAIN} but train_idx; make it a mask called train_mask, or set dataset.split=random",
    ),
    "no masks": (masks(lambda _: None), f"{NO_TRAIN}; set dataset.split=random"),
    "masks that overlap": (
        put("val_mask", lambda: ~MASKS["train_mask"]),
        "splits must be disjoint, node 2 is in more than one",
    ),
    "masks of nobody": (
        put("train_mask", lambda: torch.zeros(N, dtype=torch.bool)),
        "the training split must have nodes, it is empty",
    ),
    "x in words": (put("x", lambda: [["a", "b"]] * N), "x must hold numbers, it holds 'a'"),
    "x an array of words": (
        put("x", lambda: np.array([["a", "b"]] * N)),
        "x must hold numbers, it holds text such as 'a'",
    ),
    "x with too few rows": (put("x", lambda: X[:20]), f"{ROWS}20 feature rows and 30 labels"),
    "x with too many rows": (
        put("x", lambda: X.repeat(2, 1)),
        f"{ROWS}60 feature rows and 30 labels; give -1 to nodes without a label",
    ),
    "x transposed": (put("x", lambda: X.T), f"{ROWS}3 feature rows and 30 labels"),
    "x without rows": (put("x", lambda: X[:0]), f"{ROWS}0 feature rows and 30 labels"),
    "x without columns": (put("x", lambda: X[:, :0]), "features must be a table"),
    "x flat": (put("x", lambda: X[:, 0]), "got the shape (30,); reshape it to [30, 1]"),
    "x in 3 dimensions": (put("x", lambda: X[..., None]), "got the shape (30, 3, 1)"),
    "x complex": (put("x", lambda: X.to(torch.complex64)), "x must hold numbers, it holds comple"),
    "x of words in objects": (
        put("x", lambda: np.array([["a", 1.0]] * N, object)),
        "x must hold numbers, it holds 'a'",
    ),
    "x of 8 bits": (
        put("x", lambda: X.to(torch.float8_e4m3fn)),
        "x is a tensor of torch.float8_e4m3fn with 2 dimensions on cpu; make it a tensor on the C",
    ),
    "x elsewhere": (put("x", lambda: X.to("meta")), "x is a tensor of torch.float32 with 2 dimen"),
    "x ragged": (put("x", lambda: [[1, 2]] * 29 + [[1]]), "x is a list whose rows have different"),
    "x NaN": (
        put("x", lambda: torch.where(NODES[:, None] == 7, NAN, X)),
        "features must be finite, those of node 7 are not: column 0 has nan",
    ),
    "x infinite in 32 bits": (put("x", lambda: X.double() * 1e300), "those of node 0 are not: co"),
    "x with hidden numbers": (
        put("x", lambda: np.ma.masked_array(X.numpy(), NODES[:, None].expand(N, 3).numpy() == 7)),
        "those of node 7 are not: column 0 has nan",
    ),
    "x sparse and complex": (
        put("x", lambda: sparse.csr_array(X.numpy() * 1j)),
        "x must hold numbers, it holds complex",
    ),
    "x sparse and NaN": (
        put("x", lambda: sparse.csr_array(np.where(NODES[:, None] == 7, NAN, X.numpy()))),
        "features must be finite, those of node 7 are not",
    ),
    "x sparse with too few rows": (
        put("x", lambda: sparse.csr_array(X[:20].numpy())),
        f"{ROWS}20 feature rows and 30 labels",
    ),
    "x sparse and flat": (put("x", lambda: X[:, 0].to_sparse()), "reshape it to [30, 1]"),
    "x sparse in 3 dimensions": (put("x", lambda: X[..., None].to_sparse()), "the shape (30, 3, 1"),
    "no x": (put("x", lambda: None), "Data has no x; choose a dataset with node features, or mak"),
    "y in fractions": (
        put("y", lambda: Y + 0.5),
        "labels must be whole numbers, node 0 has 0.5; regression is not supported",
    ),
    "y in fractions as text": (
        put("y", lambda: [f"{k}.5" for k in Y.tolist()]),
        "labels must be words or whole numbers, node 0 has 0.5; regression is not supported",
    ),
    "y infinite": (put("y", lambda: at(Y.float(), INF).fill_(INF)), "node 0 has inf"),
    "y -1 in a split": (
        put("y", lambda: Y.where(NODES != 6, torch.tensor(-1))),
        "1 nodes of the training split have no label, the first is node 6; leave them out of the",
    ),
    "y NaN in a split": (
        put("y", lambda: torch.where(NODES == 6, NAN, Y.float())),
        "the first is node 6; leave them out of the split: they can still be predicted (-1, NaN a",
    ),
    "y NaN among words": (
        put("y", lambda: [NAN if k == 6 else "ab"[k % 2] for k in range(N)]),
        "1 nodes of the training split have no label, the first is node 6",
    ),
    "y None among words": (
        put("y", lambda: [None if k == 6 else "ab"[k % 2] for k in range(N)]),
        "1 nodes of the training split have no label, the first is node 6",
    ),
    "y -100": (
        put("y", lambda: Y.where(NODES != 6, torch.tensor(-100))),
        "labels must be >= 0, or -1 for none, node 6 has -100",
    ),
    "y all -1": (put("y", lambda: torch.full((N,), -1)), "no node has a label, so nothing can be"),
    "y too large": (put("y", lambda: Y + 10**12), "labels must be below 30, the number of nodes"),
    "y too short": (
        put("y", lambda: Y[:20]),
        f"{ROWS}30 feature rows and 20 labels; give -1 to nodes without a label",
    ),
    "y too long": (put("y", lambda: Y.repeat(2)), f"{ROWS}30 feature rows and 60 labels"),
    "y a number": (put("y", lambda: 1), "y has one label for a graph of 30 nodes"),
    "y a tensor of one number": (put("y", lambda: torch.tensor(1)), "y has one label for a graph"),
    "y of the whole graph": (put("y", lambda: torch.tensor([1])), "y has one label for a graph"),
    "y in 3 dimensions": (put("y", lambda: Y[:, None, None]), "y must have one or two dimensions"),
    "y complex": (put("y", lambda: Y.to(torch.complex64)), "y must hold numbers, it holds complex"),
    "y of several codes": (
        put("y", lambda: torch.stack([Y, Y], 1)),
        "multi-label targets must be 0 or 1, the files differ: node 2 has [2, 2]",
    ),
    "y of several labels, some NaN": (
        put("y", lambda: torch.where(torch.eye(N, 4) == 1, NAN, 1.0)),
        "multi-label targets must be 0 or 1, the files differ: node 0 has [nan, 1, 1, 1]",
    ),
    "y of shares": (put("y", lambda: torch.full((N, 4), 0.25)), "node 0 has [0.25, 0.25, 0.25, 0"),
    "y of lists": (put("y", lambda: [["a"], ["a", "b"], []] * 10), "y is a list whose rows have"),
    "no y": (put("y", lambda: None), "Data has no y; choose a dataset with node features"),
}

GRAPHS: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, "must give PyG's Data, it gives NoneType"),
    "nothing": (list, "gives no graph, it is empty"),
    "a dict": (lambda: {"x": X}, "must give PyG's Data, it gives dict"),
    "a list of lists": (lambda: [[data()]], "must give PyG's Data, it gives list"),
    "graphs without masks": (
        lambda: [without_masks(), without_masks()],
        "graph 0 of 2 has no usable train_mask; draw whole graphs: dataset.split=ratio dataset.tr",
    ),
    "one of two graphs without masks": (
        lambda: [data(), without_masks()],
        "graph 1 of 2 has no usable train_mask; draw whole graphs",
    ),
    "graphs with other features": (
        lambda: [data(), data(x=X[:, :2])],
        "all graphs need the same number of columns in x, got the shapes [30, 3] and [30, 2]",
    ),
    "graphs with other labels": (
        lambda: [data(), data(y=torch.eye(3)[Y])],
        "all graphs need the same number of columns in y, got the shapes [30] and [30, 3]",
    ),
    "graphs with other splits": (
        lambda: [data(), data(**{key: mask[:, None].expand(N, 3) for key, mask in MASKS.items()})],
        "all graphs need the same number of columns in the masks",
    ),
    "one of two graphs with weights": (
        lambda: [data(), data(edge_weight=torch.ones(E))],
        "1 of 2 graphs have weights of edges; give all of them weights, or set dataset.edge_weigh",
    ),
    "labels of whole graphs": (
        lambda: [data(y=torch.tensor(k)) for k in range(2)],
        "y has one label for a graph of 30 nodes; every node needs a label, and classification of",
    ),
}

ACCEPTED: dict[str, tuple[Callable[[], Any], str]] = {
    "edges as lists": (lambda: data(edge_index=EDGES.tolist()), ""),
    "edges as a tuple": (lambda: data(edge_index=tuple(EDGES)), ""),
    "edges in whole floats": (lambda: data(edge_index=EDGES.double()), ""),
    "edges unsigned": (lambda: data(edge_index=EDGES.numpy().astype(np.uint64)), ""),
    "adj_t in 16 bits": (
        lambda: data(
            edge_index=None,
            adj_t=torch.sparse_coo_tensor(EDGES, torch.ones(E, dtype=torch.half), (N, N)),
        ),
        "",
    ),
    "weights in a row": (lambda: data(edge_weight=torch.ones(1, E)), ""),
    "edge_attr of one column": (
        lambda: data(edge_attr=torch.ones(E, 1)),
        "edge_attr is the weight of each edge; dataset.edge_weight=false ignores it",
    ),
    "edge_attr of several columns": (
        lambda: data(edge_attr=torch.ones(E, 4)),
        "edge_attr (4 columns) is not used, since a weight is one number",
    ),
    "masks as lists": (lambda: data(**masks(lambda mask: mask.tolist())()), ""),
    "masks sparse": (lambda: data(**masks(lambda mask: mask.to_sparse())()), ""),
    "masks of several splits": (
        lambda: data(**masks(lambda mask: mask[:, None].expand(N, 10))()),
        "",
    ),
    "x bool": (lambda: data(x=X > 0), ""),
    "x of objects": (lambda: data(x=X.numpy().astype(object)), ""),
    "x sparse of SciPy": (lambda: data(x=sparse.coo_array(X.numpy())), ""),
    "x sparse COO": (lambda: data(x=X.to_sparse()), ""),
    "x sparse CSR": (lambda: data(x=X.to_sparse_csr()), ""),
    "x sparse in 16 bits": (lambda: data(x=X.half().to_sparse()), ""),
    "x sparse in bfloat16": (lambda: data(x=X.bfloat16().to_sparse()), ""),
    "x sparse with dense rows": (lambda: data(x=X.to_sparse(1)), ""),
    "y in a column": (lambda: data(y=Y[:, None]), ""),
    "y in whole floats": (lambda: data(y=Y.double()), ""),
    "y as text": (lambda: data(y=list(map(str, Y.tolist()))), ""),
    "y one-hot": (lambda: data(y=torch.eye(3)[Y]), "dataset.labels=single reads them as classes"),
    "y one-hot and sparse": (
        lambda: data(y=sparse.csr_array(np.eye(3)[Y])),
        "dataset.labels=single reads them as classes",
    ),
    "y of one class": (
        lambda: data(y=torch.full((N,), 2)),
        "every node with a label has class 2, so all models score 1.0",
    ),
    "y of a class for each node": (
        lambda: data(y=NODES),
        "every label is there once (30 of them), so they are no classes",
    ),
    "-1 outside the splits": (
        lambda: data(
            y=Y - 1, **{key: k == NODES % 9 for k, key in zip((1, 2, 4), MASKS, strict=True)}
        ),
        "",
    ),
    "several graphs": (lambda: [data(), data()], "2 graphs become one, not connected"),
    "a batch of graphs": (
        lambda: Batch.from_data_list([data(), data()]),
        "2 graphs become one, not connected",
    ),
}


def odd(case: str) -> Any:
    """Return the graph, or what stands for one, of a case."""
    if case in REFUSED:
        return data(**REFUSED[case][0]())
    return (GRAPHS | ACCEPTED)[case][0]()
