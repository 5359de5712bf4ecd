"""`redditgnn data`, and a synthetic graph in Reddit's raw format."""

from __future__ import annotations

import sys

import pytest
import torch

from redditgnn import CONF_DIR
from redditgnn.command.data import main
from redditgnn.dataset.validation import convert_graph
from redditgnn.errors import DataError, UserError

SMALL = ["dataset=sbm", "dataset.scale=0.004", "dataset.num_features=16"]


def test_the_table_names_what_matters(tmp_path, capsys):
    assert main([*SMALL, f"data_dir={tmp_path}"]) == 0
    table = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert table["nodes"] == "932"
    assert table["classes"] == "41"
    assert table["split"] == "614 train, 95 val, 223 test"
    assert table["degree"].startswith("min ")
    assert str(tmp_path) in table["cache"]


@pytest.fixture
def written(tmp_path, build):
    """The synthetic graph, and a root that has it in Reddit's raw format."""
    main([*SMALL, f"data_dir={tmp_path}", "--raw", str(tmp_path / "root")])
    return build(tmp_path, *SMALL), tmp_path / "root"


def test_reddits_loader_reads_the_same_graph(written, build):
    graph, root = written
    read = build(root, "dataset=reddit", "dataset.expected=null")
    assert read.fingerprint == graph.fingerprint
    assert torch.equal(read.col, graph.col)


def test_a_synthetic_graph_never_stands_in_for_the_real_one(written, build):
    with pytest.raises(DataError, match=r"reddit_data\.npz was written by 'redditgnn data --raw'"):
        build(written[1], "dataset=reddit")


def test_raw_files_are_not_overwritten(written, tmp_path):
    with pytest.raises(DataError, match=r"reddit_data\.npz exists and is kept"):
        main([*SMALL, f"data_dir={tmp_path}", f"--raw={written[1]}"])


@pytest.mark.parametrize("argv", [["--raw"], ["--raw", "dataset=sbm"], ["--raw="]])
def test_raw_needs_a_folder(argv):
    with pytest.raises(UserError, match="--raw needs a folder"):
        main(argv)


def test_an_unknown_option_is_refused():
    with pytest.raises(UserError, match="unknown option --row"):
        main(["--row", "x"])


OWN = """
from torch_geometric.data import Data
import torch

def graph():
    n = torch.arange(12)
    masks = {f"{split}_mask": n % 3 == k for k, split in enumerate(("train", "val", "test"))}
    x = torch.stack([n * 1.0, torch.full((12,), 5.0)], 1)
    edges = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 3, 3]])
    y = torch.where(n == 11, 3, n // 2 % 2)
    return Data(x=x, edge_index=edges, y=y, edge_attr=torch.ones(5, 2), **masks)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Overrides of a graph whose source is a file here."""
    (tmp_path / "own_graph.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_graph", raising=False)
    yield ["dataset=pyg", "dataset.source=own_graph.graph", f"data_dir={tmp_path}"]
    sys.modules.pop("own_graph", None)


def table_of(capsys, *argv):
    assert main(argv) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_the_table_counts_what_is_odd(own, capsys):
    assert main(own) == 0
    text = capsys.readouterr().out
    assert "left out     0 repeated edges, 1 self-loops" in text
    assert "reverses     50.0% of the edges have theirs, 0 added" in text
    assert "weights      none; edge_attr (2 columns) not used" in text
    assert "features     2, stored as float32; 1 constant: 1" in text
    assert "no nodes     1 classes" in text
    assert "no training  2 classes" in text
    assert "; 8 nodes have no edge" in text
    assert "homophily    0.75 of the edges join one class, adjusted 0.47" in text


def test_homophily_of_several_labels_is_not_defined(tmp_path, capsys):
    chosen = ["dataset=sbm_multilabel", "dataset.scale=0.004", f"data_dir={tmp_path}"]
    assert table_of(capsys, *chosen)["homophily"] == "not defined: nodes have several labels"


def test_anew_converts_again_what_has_not_changed(own, capsys, tmp_path):
    def converted():
        (meta,) = tmp_path.glob("redditgnn-cache/*/meta.json")
        return meta.stat().st_mtime_ns

    main(own)
    first = converted()
    main(own)
    assert converted() == first
    main([*own, "--anew"])
    assert converted() > first
    capsys.readouterr()


def test_anew_converts_a_new_dataset_once(own, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr("redditgnn.dataset.pyg.convert_graph", count(calls))
    main([*own, "--anew"])
    assert len(calls) == 1


def count(calls):
    def counted(*arguments):
        calls.append(1)
        return convert_graph(*arguments)

    return counted


def test_datasets_of_ones_own_are_looked_up_in_a_folder(own, capsys, tmp_path):
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    content = (CONF_DIR / "dataset" / "pyg.yaml").read_text().replace("name: pyg", "name: mine")
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text(content)
    chosen = ["dataset=mine", *own[1:], "--config-dir", str(tmp_path / "conf")]
    assert table_of(capsys, *chosen)["dataset"] == "mine"
    with pytest.raises(UserError, match="dataset=mine: no such option"):
        main(["dataset=mine", *own[1:]])
