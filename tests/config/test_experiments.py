"""Experiments of the usual form are merged from files, and exactly as Hydra composes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn import CONF_DIR
from redditgnn.config.compose import compose_experiment, compose_settings
from redditgnn.config.experiments import Experiments
from redditgnn.errors import ConfigError

HEAD = "# @package _global_\n# Ours\n"
GROUPS = "defaults:\n  - override /model: gat\n  - override /scheduler: cosine\n"
VALUES = "model: {dropout: 1e-1}\ntrainer: {epochs: 7}\n"
PLAIN = HEAD + GROUPS + "  - override /protocol: inductive\n" + VALUES
Write = Callable[[str], Experiments]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write experiment/mine.yaml, and look there."""

    def written(text: str) -> Experiments:
        (tmp_path / "experiment").mkdir(exist_ok=True)
        (tmp_path / "experiment" / "mine.yaml").write_text(text)
        return Experiments([CONF_DIR, tmp_path])

    return written


def test_values_and_interpolations_are_those_of_hydra(write: Write, tmp_path: Path) -> None:
    ours = write(PLAIN).compose("mine")
    assert ours == compose_experiment(["experiment=mine"], tmp_path)
    assert ours[0].components["model"]["dropout"] == 0.1
    assert ours[0].components["scheduler"]["T_max"] == 7  # ${trainer.epochs}
    assert ours[0].protocol == "inductive"


def test_an_experiment_does_not_change_the_next(write: Write, tmp_path: Path) -> None:
    known = write(PLAIN)
    before = known.compose("cora_gat")
    known.compose("mine")
    assert known.compose("cora_gat") == before


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "defaults:\n  - override /model: gcn_gas\n",  # an option with defaults
        HEAD + GROUPS + "  - _self_\n",
        HEAD + "defaults:\n  - cora_gat\ntrainer: {epochs: 7}\n",  # another experiment
        "# @package trainer\nepochs: 7\n",
    ],
)
def test_what_is_of_another_form_is_left_to_hydra(write: Write, tmp_path: Path, text: str) -> None:
    assert write(text).compose("mine") == compose_experiment(["experiment=mine"], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace(": gat", ": gatt"), "model=gatt: no such option"),
        (PLAIN.replace("inductive", "deductive"), "protocol=deductive: no such option"),
        (PLAIN + "protocol: inductive\n", "write '- override /protocol: inductive' into its def"),
        (PLAIN.replace("7}", "7"), "while parsing a flow mapping"),
    ],
)
def test_mistakes_are_those_of_hydra(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write(text).compose("mine")


def test_an_option_of_ones_own_is_found_behind_ours(write: Write, tmp_path: Path) -> None:
    known = write(PLAIN.replace("override /model: gat", "override /model: mine"))
    (tmp_path / "model").mkdir()
    text = (CONF_DIR / "model" / "gat.yaml").read_text()
    (tmp_path / "model" / "mine.yaml").write_text(text)
    assert known.compose("mine")[0].components["model"]["dropout"] == 0.1


def test_of_two_experiments_of_one_name_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "cora_gat.yaml").write_text(HEAD + "target: null\n")
    known = Experiments([CONF_DIR, tmp_path])
    assert known.names.count("cora_gat") == 1
    assert known.target("cora_gat")["metric"] == "test_accuracy"
    assert known.compose("cora_gat")[0] == compose_settings(["experiment=cora_gat"])
