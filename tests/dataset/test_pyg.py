"""Dataset classes and functions as people write them."""

from __future__ import annotations

import importlib
import logging
import sys

import numpy as np
import pytest
import torch

from redditgnn.errors import UserError

MODULE = """
import numpy as np, torch
from pathlib import Path
from torch_geometric.data import Data, InMemoryDataset

def graph(**replaced):
    n = torch.arange(30)
    edge_index = torch.stack([torch.cat([n, (n + 1) % 30]), torch.cat([(n + 1) % 30, n])])
    masks = {key: n % 3 == turn for turn, key in enumerate(("train_mask", "val_mask", "test_mask"))}
    content = dict(x=torch.ones(30, 2), edge_index=edge_index, y=n % 2, **masks)
    return Data(**{**content, **replaced})

def words(): return graph(y=["owl", "cat"] * 15)
def table(): return graph(x=np.ones((30, 2)), edge_index=graph().edge_index.tolist())
def fractions(): return graph(y=torch.full((30,), 0.5))
def one_hot(): return graph(y=torch.eye(2)[graph().y])
def weighted(): return graph(edge_attr=torch.full((60, 1), 0.5))
def transposed(): return graph(edge_index=graph().edge_index.T)
def half(): return graph(edge_index=graph().edge_index + 0.5)
def codes(): return graph(train_mask=torch.full((30,), -1))
def two(): return [graph(), graph()]
def drawn(): return graph(x=torch.rand(30, 2), y=torch.tensor(np.random.permutation(30) % 2))
def broken(): return undefined

class Made(InMemoryDataset):
    processed_file_names = "data.pt"
    def __init__(self, root, label_file):
        self.label_file = label_file
        super().__init__(root)
        self._data, self.slices = torch.load(self.processed_paths[0])
    def process(self):
        y = torch.tensor([int(c) for c in Path(self.label_file).read_text()])
        torch.save(self.collate([graph(y=y, names=np.array(["a"] * 30))]), self.processed_paths[0])
"""


@pytest.fixture
def load(tmp_path, build, monkeypatch):
    (tmp_path / "people.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "people", raising=False)

    def loaded(name, *overrides, root="data"):
        chosen = ["dataset=pyg", f"dataset.source=people.{name}", f"dataset.name={name}"]
        return build(tmp_path / root, *chosen, *overrides)

    yield loaded
    sys.modules.pop("people", None)


def test_words_become_names_of_classes(load):
    graph = load("words")
    assert graph.names.classes == ("cat", "owl")
    assert graph.y[:2].tolist() == [1, 0]


def test_arrays_and_lists_are_read_as_tensors_are(load):
    assert load("table").num_edges == 60


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fractions", "labels must be whole numbers, node 0 has 0.5; regression is not supported"),
        ("transposed", "edge_index must have the shape [2, edges], got [60, 2]; transpose it"),
        ("half", "edge_index must hold whole numbers, entry [0, 0] is 0.5"),
        ("codes", "no usable train_mask: it must be true or false, or 1 or 0"),
        ("broken", "in broken: NameError: name 'undefined' is not defined"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(name, message, load):
    with pytest.raises(UserError) as error:
        load(name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "delete" not in str(error.value)


def test_one_hot_rows_are_told_and_can_be_read_as_classes(load, caplog):
    with caplog.at_level(logging.WARNING):
        assert load("one_hot").spec.multi_label
    assert "dataset.labels=single reads them as classes" in caplog.text
    assert load("one_hot", "dataset.labels=single").y.tolist() == [0, 1] * 15


def test_weights_of_edges_are_read_unless_they_are_declined(load):
    assert load("weighted").edge_weight.tolist() == [0.5] * 60
    assert load("weighted", "dataset.edge_weight=false").edge_weight is None


def test_several_graphs_become_one_without_edges_between_them(load):
    graph = load("two")
    assert (graph.num_nodes, graph.num_edges) == (60, 120)
    assert int(graph.col[graph.rowptr[30] :].min()) >= 30


def test_randomness_of_a_source_is_seeded_and_leaves_no_trace(load):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = load("drawn", root="one"), load("drawn", root="two")
    assert first.fingerprint == second.fingerprint
    assert load("drawn", "dataset.split_seed=1").fingerprint != first.fingerprint
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_files_that_a_class_opens_anywhere_are_followed(load, tmp_path):
    labels = tmp_path / "labels.txt"
    argument = f"dataset.arguments.label_file={labels}"
    labels.write_text("01" * 15)
    assert load("Made", argument).y.tolist() == [0, 1] * 15
    labels.write_text("0110" * 7 + "00")
    assert load("Made", argument).y.tolist()[:4] == [0, 1, 1, 0]


def test_a_changed_class_is_run_again(load, tmp_path):
    assert load("weighted").edge_weight.tolist() == [0.5] * 60
    (tmp_path / "people.py").write_text(MODULE.replace("(60, 1), 0.5", "(60, 1), 0.25"))
    sys.modules.pop("people")
    importlib.invalidate_caches()
    assert load("weighted").edge_weight.tolist() == [0.25] * 60
