"""Pairs of model and sampler on the command line."""

from __future__ import annotations

import pytest

from scripts.bench.matrix import parse


def test_pairs_are_read_in_their_order() -> None:
    assert parse(["--pairs", "sage/full,gat/gas"]).pairs == [("sage", "full"), ("gat", "gas")]


def test_an_unknown_pair_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--pairs", "sage/full,sage/ful"])
    message = capsys.readouterr().err
    assert "--pairs: must be MODEL/SAMPLER, models are sage, " in message
    assert message.endswith("; got sage/ful\n")
