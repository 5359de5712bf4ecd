"""What `predict`, `export` and `diagnose` say of a run whose folder or data have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Values = dict[str, Any]


def edit(change: Callable[[Values], Any]) -> Callable[[Path], None]:
    """Return a function that changes run.json of a folder."""

    def edit_folder(folder: Path) -> None:
        values = json.loads((folder / "run.json").read_text())
        change(values)
        (folder / "run.json").write_text(json.dumps(values))

    return edit_folder


def component(values: Values, group: str) -> Values:
    chosen: Values = values["settings"]["components"][group]
    return chosen


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no weights": (
        lambda folder: (folder / "best.pt").unlink(),
        "best.pt is missing: the run ended before its first evaluation; choose another run, or tr",
    ),
    "weights cut off": (
        lambda folder: (folder / "best.pt").write_bytes(b"PK"),
        "best.pt is damaged (File is not a zip file); choose another run, or train it again",
    ),
    "no settings": (
        edit(lambda values: values.pop("settings")),
        "run.json cannot be read (no key 'settings'); choose another run",
    ),
    "a list": (
        lambda folder: (folder / "run.json").write_text("[]"),
        "run.json cannot be read ('list' object has no attribute 'get'); choose another run",
    ),
    "a model of one's own": (
        edit(lambda values: component(values, "model").update(_target_="my_layers.gat.Mine")),
        "model=sage is my_layers.gat.Mine, and Python finds no my_layers; put PYTHONPATH=DIR befo",
    ),
    "a dataset of one's own": (
        edit(lambda values: component(values, "dataset").update(_target_="my_data.load")),
        "dataset=sbm is my_data.load, and Python finds no my_data; put PYTHONPATH=DIR before the",
    ),
    "other data": (
        edit(lambda values: component(values, "dataset").update(seed=7)),
        "the run was trained on other data than sbm is now (other edges, features, labels, split);",
    ),
    "a fingerprint of an older version": (
        edit(lambda values: values["identity"].update(fingerprint="abc")),
        "the run was trained on other data than sbm is now (abc, now edges=",
    ),
}


@pytest.mark.parametrize("command", ["predict", "export", "diagnose"])
@pytest.mark.parametrize(("damage", "part"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_refused_in_one_line(
    command: str,
    damage: Callable[[Path], Any],
    part: str,
    refused: Callable[..., str],
    tmp_path: Path,
) -> None:
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    damage(folder)
    assert part in refused(command, "latest", "results_dir={here}/results")


def test_changed_data_are_another_graph_if_they_are_named(
    refused: Callable[..., str], works: Callable[..., None], tmp_path: Path
) -> None:
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    edit(lambda values: component(values, "dataset").update(seed=7))(folder)
    message = refused("predict", "latest", "results_dir={here}/results")
    (way_out,) = (word for word in message.split() if word.startswith("data_dir="))
    works("predict", "latest", "results_dir={here}/results", way_out)
    assert (folder / "predictions-other-graph.csv").is_file()
