"""`redditgnn report` as it is typed."""

from __future__ import annotations

import pytest

from redditgnn.cli import main

HEADER = "status,experiment,seed,config_hash,fingerprint,test_accuracy,test_micro_f1,epoch_median_s"


def test_it_says_what_it_wrote(tmp_path, capsys):
    (tmp_path / "runs.csv").write_text(HEADER + "\ncompleted,e,0,h,edges=1,0.8,0.8,1\n")
    assert main(["report", f"results_dir={tmp_path}", f"out={tmp_path / 'there'}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 row, 1 configuration, 1 group of equal data and protocol"
    assert f"wrote {tmp_path}/there/summary.csv" in lines
    assert (tmp_path / "there" / "index.html").is_file()


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("results_dri=x", "there is no key 'results_dri'; did you mean results_dir=DIR?"),
        ("seed=1", "there is no key 'seed'; it takes results_dir=DIR and out=DIR"),
        ("out", "out must be a folder, got 'out'; write out=DIR"),
        ("results_dir=nowhere", "results_dir=nowhere must be a folder of runs, there is none"),
    ],
)
def test_a_mistake_is_answered_in_one_line(argument, text, capsys):
    assert main(["report", argument]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
