"""Sparse features of a source: stored and loaded as their non-zeros, with the same fingerprint."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from redditgnn.config.compose import compose_settings
from redditgnn.dataset import feature_storage
from redditgnn.errors import DataError
from redditgnn.graph.sparse_features import SparseFeatures
from tests.conftest import call

NUM_NODES, WIDTH = 40, 60
MODULE = f"""
import numpy as np, torch
from scipy import sparse
from torch_geometric.data import Data

n = torch.arange({NUM_NODES})
words = torch.randint(1, 9, ({NUM_NODES}, {WIDTH}), generator=torch.Generator().manual_seed(0))
words = (words * (torch.arange({WIDTH}) % 20 == n[:, None] % 20)).float()

def graph(x):
    edge_index = torch.stack([n, (n + 1) % {NUM_NODES}])
    keys = ("train_mask", "val_mask", "test_mask")
    masks = {{key: n % 3 == turn for turn, key in enumerate(keys)}}
    return Data(x=x, edge_index=edge_index, y=n % 2, **masks)

def dense(): return graph(words)
def coo(): return graph(words.to_sparse_coo())
def csr(): return graph(words.to_sparse_csr())
def matrix(): return graph(sparse.csc_matrix(words.numpy()))
def integers(): return graph(sparse.coo_array(words.numpy().astype(np.int64)))
def doubled():
    one = sparse.coo_array(words.numpy() / 2)
    ends = tuple(np.concatenate([end, end]) for end in one.coords)
    return graph(sparse.coo_array((np.concatenate([one.data, one.data]), ends), one.shape))
def full(): return graph(torch.ones({NUM_NODES}, 4).to_sparse_coo())
def blank(): return graph((words * torch.where(words == 3, torch.nan, 1)).to_sparse_coo())
def negative(): return graph(-words.to_sparse_coo())
def two(): return [coo(), dense()]
def two_dense(): return [dense(), dense()]
"""
SPARSE = ["coo", "csr", "matrix", "integers", "doubled"]


@pytest.fixture
def load(tmp_path, build, monkeypatch):
    """Load what a function of MODULE gives, without a dense table of all nodes on the way."""
    (tmp_path / "bags.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bags", raising=False)
    importlib.invalidate_caches()
    gather = SparseFeatures.gather

    def gather_some(x, node_ids=None):
        assert node_ids is not None
        assert len(node_ids) < len(x)
        return gather(x, node_ids)

    def loaded(name, *overrides):
        chosen = ["dataset=pyg", f"dataset.source=bags.{name}", f"dataset.name={name}"]
        with monkeypatch.context() as patch:
            patch.setattr(SparseFeatures, "gather", gather_some)
            patch.setattr(feature_storage, "_PIECE", 7 * 4 * WIDTH)
            patch.setattr(sparse.csr_array, "toarray", None)
            patch.setattr(sparse.csr_matrix, "toarray", None)
            return build(tmp_path / "data", *chosen, *overrides)

    return loaded


@pytest.mark.parametrize("keys", [(), ("dataset.normalize_features=true",)])
@pytest.mark.parametrize("name", SPARSE)
def test_the_fingerprint_is_that_of_dense_features(name, keys, load):
    graph, expected = load(name, *keys), load("dense", *keys)
    assert isinstance(graph.x, SparseFeatures)
    assert isinstance(expected.x, torch.Tensor)
    assert torch.equal(graph.dense_x, expected.x)
    assert graph.fingerprint == expected.fingerprint


def test_the_cache_holds_the_non_zeros_alone_and_is_rebuilt_where_it_is_damaged(load):
    first = load("coo")
    x = first.dense_x
    names = {path.name for path in first.cache_dir.glob("x*")}
    assert names == {"x_shape.npy", "x_rowptr.npy", "x_col.npy", "x_values.npy"}
    path = first.cache_dir / "x_values.npy"
    path.write_bytes(path.read_bytes()[:-4])
    again = load("coo")
    assert torch.equal(again.dense_x, x)
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_features_in_16_bits_are_those_of_dense_ones(dtype, load):
    key = f"dataset.feature_dtype={dtype}"
    for _ in range(2):  # converted, and loaded
        graph, expected = load("coo", key), load("dense", key)
        assert graph.x.dtype == expected.x.dtype
        assert torch.equal(graph.dense_x, expected.x)
        assert graph.fingerprint == expected.fingerprint


def test_a_matrix_with_many_non_zeros_becomes_dense(tmp_path, build, monkeypatch, load):
    assert load("dense").x.shape == (NUM_NODES, WIDTH)
    graph = build(tmp_path, "dataset=pyg", "dataset.source=bags.full", "dataset.name=full")
    assert torch.equal(graph.x, torch.ones(NUM_NODES, 4))


def test_graphs_of_which_one_is_sparse_are_joined_sparse(load):
    graph, expected = load("two"), load("two_dense")
    assert torch.equal(graph.dense_x, expected.x)
    assert graph.fingerprint == expected.fingerprint


def test_numbers_that_are_no_features_are_refused(load):
    with pytest.raises(DataError, match=r"features must be finite, those of node \d+ are not"):
        load("blank")
    with pytest.raises(Exception, match=r"features of at least 0, node 0 has -\d; set it to false"):
        load("negative", "dataset.normalize_features=true")


def test_a_table_too_large_to_hash_dense_is_hashed_by_its_non_zeros(load, monkeypatch):
    first = load("coo").fingerprint
    monkeypatch.setattr(feature_storage, "_LARGEST_DENSE", 1)
    hashes = {load(name).fingerprint.features for name in ("csr", "matrix")}
    assert len(hashes) == 1
    assert hashes != {first.features}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write nodes.csv, edges.csv and features.npz, and return the keys that name them."""
    monkeypatch.chdir(tmp_path)
    rows = [f"n{i},{i / 2},{'xyz'[i % 3]}" for i in range(NUM_NODES)]
    Path("nodes.csv").write_text("\n".join(["id,age,label", *rows, ""]))
    ends = [f"n{i},n{(i + 1) % NUM_NODES}" for i in range(NUM_NODES)]
    Path("edges.csv").write_text("\n".join(["src,dst", *ends, ""]))
    matrix = sparse.random_array(
        (NUM_NODES, WIDTH), density=0.03, rng=np.random.default_rng(0), dtype=np.float32
    ).tocsr()
    sparse.save_npz("features.npz", matrix)
    named = (f"dataset.{key}" for key in ("edges=edges.csv", "nodes=nodes.csv"))
    return ["dataset=files", *named, "dataset.features=features.npz"]


def load_files(files, *keys):
    return compose_settings([*files, *keys]).build("dataset", Path("data"))


def test_a_sparse_file_stays_sparse_also_beside_columns(files):
    matrix = sparse.load_npz("features.npz").toarray()
    graph = load_files(files)
    assert isinstance(graph.x, SparseFeatures)
    assert np.array_equal(graph.dense_x.numpy(), matrix)
    graph = load_files(files, "dataset.feature_columns=[age]")
    assert isinstance(graph.x, SparseFeatures)
    age = np.arange(NUM_NODES, dtype=np.float32)[:, None] / 2
    assert np.array_equal(graph.dense_x.numpy(), np.hstack([matrix, age]))
    assert graph.names.features == (*map(str, range(WIDTH)), "age")


def test_blanks_of_a_sparse_file_are_refused_or_replaced(files):
    matrix = sparse.load_npz("features.npz")
    row, col = (int(end[0]) for end in matrix.nonzero())
    matrix[row, col] = np.nan
    sparse.save_npz("features.npz", matrix)
    with pytest.raises(DataError, match=rf"finite numbers, node n{row} has none in '{col}' \(1 s"):
        load_files(files)
    assert load_files(files, "dataset.missing=zero").dense_x[row, col] == 0
    others = np.delete(matrix.toarray()[:, col], row)
    mean = load_files(files, "dataset.missing=mean").dense_x[row, col]
    assert mean == pytest.approx(others.mean())


def test_commands_run_on_sparse_features(files, tmp_path):
    run = ["trainer.epochs=2", "device=cpu", f"results_dir={tmp_path}"]
    run += [f"data_dir={tmp_path}", "dataset.feature_columns=[age]"]
    assert call("data", *files, "dataset.feature_columns=[age]", f"data_dir={tmp_path}")[0] == 0
    assert call("train", *files, *run, "model=sage", "--dry-run")[0] == 0
    assert call("train", *files, *run, "model=sgc")[0] == 0
    assert call("train", *files, *run, "sampler=full", "model=gcn", "protocol=inductive")[0] == 0
    assert call("predict", "latest", f"results_dir={tmp_path}", f"data_dir={tmp_path}")[0] == 0
    (predictions,) = tmp_path.glob("runs/*/predictions.csv")
    assert len(predictions.read_text().splitlines()) == NUM_NODES + 1


PEAK = """
import resource, sys
from pathlib import Path
import numpy as np
from scipy import sparse
from redditgnn.cli import main

n, width, words = 50_000, 20_000, 20
rng = np.random.default_rng(0)
ends = np.repeat(np.arange(n), words), rng.integers(0, width, n * words)
x = sparse.coo_array((np.ones(n * words, np.float32), ends), (n, width))
sparse.save_npz("features.npz", x)
label = rng.integers(0, 5, n)
Path("nodes.csv").write_text("id,label\\n" + "".join(f"{i},{c}\\n" for i, c in enumerate(label)))
edges = rng.integers(0, n, (200_000, 2))
Path("edges.csv").write_text("src,dst\\n" + "".join(f"{u},{v}\\n" for u, v in edges))
code = main(["train", "dataset=files", "dataset.edges=edges.csv", "dataset.nodes=nodes.csv",
    "dataset.features=features.npz", "trainer.epochs=1", "device=cpu", *sys.argv[1:]])
assert code == 0, code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["full", "neighbor"])
def test_a_table_of_4_gb_is_loaded_and_trained_on_in_1_gib(sampler, tmp_path):
    command = [sys.executable, "-c", PEAK, "model=gcn", "model.hidden_channels=16"]
    done = subprocess.run(
        [*command, f"sampler={sampler}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 1024
