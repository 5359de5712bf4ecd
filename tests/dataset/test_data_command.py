"""`redditgnn data`, and a synthetic graph in Reddit's raw format."""

from __future__ import annotations

import pytest
import torch

from redditgnn.command.data import main
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
