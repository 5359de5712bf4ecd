"""`redditgnn smooth`: scores before and after on a terminal, and what was tried in a file."""

from __future__ import annotations

import pandas as pd
import pytest

from redditgnn import cli
from redditgnn.run.saved import train

TINY = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
RUN = (*TINY, "model=linear", "sampler=full", "trainer.epochs=2", "device=cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smooth")
    train([*RUN, f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}"])
    return folder / "results"


@pytest.fixture(scope="module")
def several_labels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    run = [text.replace("dataset=sbm", "dataset=sbm_multilabel") for text in RUN]
    train([*run, f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}"])
    return folder / "results"


def test_it_prints_and_stores_the_scores_before_and_after(folder, capsys):
    argv = [
        "smooth",
        "latest",
        "--smooth",
        "0.5,0.9,0.5",
        "--scale",
        "auto",
        "--labels",
        "train+val",
    ]
    assert cli.main([*argv, "--correct", "0.8", "--steps", "4", f"results_dir={folder}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = pd.read_csv(next(folder.glob("runs/*/smoothing.csv")))
    assert len(table) == 2 * 3
    assert set(table["labels"]) == {"train+val"}
    assert set(table["num_steps"]) == {4}
    (best,) = table[table["chosen"]].to_dict("records")
    assert best["val_micro_f1"] == table["val_micro_f1"].max()
    before, after = (line.split() for line in lines[2:4])
    assert before == ["before", *(f"{table[c][0]:.4f}" for c in ("val_micro_f1", "test_micro_f1"))]
    assert after == ["after", *(f"{best[c]:.4f}" for c in ("val_micro_f1", "test_micro_f1"))]
    tested = table["test_micro_f1"].notna()
    assert tested.sum() == 2, "test scores of what was not chosen invite to choose by them"
    assert tested[0]
    assert lines[4].startswith("chosen: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--labels test", "--labels must be one of train, train+val, got test"),
        ("--smooth 1.5", "--smooth must be numbers between 0 and 1, got 1.5"),
        ("--correct a", "--correct must be numbers separated by commas, got 'a'"),
        ("--scale auto,nan", "--scale must be auto or positive numbers, got nan"),
        ("--steps 0", "--steps must be a positive number, got 0"),
    ],
)
def test_a_mistake_is_answered_in_one_line(folder, capsys, options, message):
    assert cli.main(["smooth", "latest", *options.split(), f"results_dir={folder}"]) == 2
    assert capsys.readouterr().err.startswith(f"redditgnn: {message}")


def test_nodes_with_several_labels_are_refused(several_labels, capsys):
    assert cli.main(["smooth", "latest", f"results_dir={several_labels}"]) == 2
    assert "smoothing needs one label a node" in capsys.readouterr().err
