"""Options that the programs share."""

from __future__ import annotations

import pytest

from scripts.bench.options import add_setup, new_parser, setup_from


def test_a_work_that_there_is_not_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = new_parser("kernels", "About.")
    add_setup(parser, works=["gat", "sage"], default=["gat"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "gat,gta"])
    assert "argument --only: must be of gat, sage; got gta" in capsys.readouterr().err


def test_a_setup_names_its_graph() -> None:
    parser = new_parser("kernels", "About.")
    add_setup(parser, works=["gat"], default=["gat"])
    assert setup_from(parser.parse_args(["--scale", "0.20"])).graph_name == "sbm 0.2"
    assert setup_from(parser.parse_args(["--dataset", "pubmed"])).graph_name == "pubmed"
