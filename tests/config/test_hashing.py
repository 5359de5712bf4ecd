"""A configuration keeps its hash: committed rows are found again by it."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from redditgnn import CONF_DIR
from redditgnn.config import hashing
from redditgnn.config.compose import compose_settings
from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import COMPONENTS, Settings

RUNS = Path(__file__).parents[2] / "results" / "reference" / "runs.csv"


def pinned() -> dict[str, str]:
    with (Path(__file__).parent / "hashes.csv").open(newline="") as file:
        return dict(csv.reader(file))


def hashes_of_experiments() -> dict[str, str]:
    experiments = Experiments([CONF_DIR])
    names = [path.stem for path in sorted((CONF_DIR / "experiment").glob("*.yaml"))]
    settings = {f"experiment={name}": experiments.compose(name)[0] for name in names}
    return {override: hash_of_config(one) for override, one in settings.items()}


@pytest.fixture(scope="module")
def defaults() -> Settings:
    return compose_settings([])


def test_every_experiment_has_its_pinned_hash():
    pins = {key: value for key, value in pinned().items() if key.startswith("experiment=")}
    assert hashes_of_experiments() == pins


def test_the_committed_rows_of_an_experiment_have_its_pinned_hash():
    with RUNS.open(newline="") as file:
        rows = {(row["experiment"], row["config_hash"]) for row in csv.DictReader(file)}
    pins = {key.removeprefix("experiment="): value for key, value in pinned().items()}
    recorded = {name for name, _ in rows if name}
    assert len(recorded) > 50
    assert {name for name in recorded if (name, pins[name]) not in rows} == set()


@pytest.mark.parametrize("group", COMPONENTS)
def test_every_option_has_its_pinned_hash(group, defaults):
    pins = pinned()
    for path in sorted((CONF_DIR / group).glob("*.yaml")):
        values = OmegaConf.load(path)
        if "defaults" in values:
            settings = compose_settings([f"{group}={path.stem}"])
        else:  # as Hydra composes it, in a hundredth of the time
            whole = OmegaConf.create({**defaults.components, group: values})
            component = OmegaConf.to_container(whole[group], resolve=True)
            settings = replace(defaults, components=defaults.components | {group: component})
        line = f"{group}={path.stem},{hash_of_config(settings)}"
        assert line == f"{group}={path.stem},{pins.get(f'{group}={path.stem}')}", "hashes.csv"


def test_every_protocol_has_its_pinned_hash():
    names = [path.stem for path in sorted((CONF_DIR / "protocol").glob("*.yaml"))]
    hashes = {f"protocol={n}": hash_of_config(compose_settings([f"protocol={n}"])) for n in names}
    assert hashes == {key: value for key, value in pinned().items() if key in hashes}


def test_a_run_that_is_older_than_a_key_of_the_protocol_has_its_default():
    settings = compose_settings(["protocol=temporal"])
    recorded = asdict(settings)
    del recorded["temporal"]["update"]
    assert Settings.from_dict(recorded) == settings


def test_a_component_of_ours_is_hashed_by_its_option_not_by_its_import_path(defaults, monkeypatch):
    before = hashing.packaged_targets
    after = {"model": {"sage": "redditgnn.new.Place"}}
    monkeypatch.setattr(hashing, "packaged_targets", lambda g: after.get(g) or before(g))
    model = defaults.components["model"] | {"_target_": "redditgnn.new.Place"}
    moved = replace(defaults, components=defaults.components | {"model": model})
    assert hash_of_config(moved) == pinned()["model=sage"]


def test_a_component_of_others_is_hashed_by_its_import_path(defaults):
    hashes = set()
    for target in ("redditgnn.model.sage.GraphSAGE", "mine.sage.GraphSAGE", "yours.GraphSAGE"):
        model = defaults.components["model"] | {"_target_": target}
        other = replace(defaults, components=defaults.components | {"model": model})
        hashes.add(hash_of_config(other))
    assert len(hashes) == 3
