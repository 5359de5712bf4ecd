"""The YAML files are the registry: each says exactly what its target takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object, instantiate

from redditgnn import CONF_DIR
from redditgnn.config import settings as config
from redditgnn.config.arguments import parameters_of
from redditgnn.config.compose import compose_by_hydra, compose_settings
from redditgnn.config.merge import merge_files
from redditgnn.config.settings import SELECTABLE, partial_of
from redditgnn.errors import ConfigError

# Facts that are known only at run time and come from the runner, not from the YAML.
FACTS = {
    "dataset": {"data_dir"},
    "model": set(),
    "sampler": {"num_layers", "device", "seed"},
    "optimizer": set(),
    "scheduler": set(),
    "trainer": {"device", "seed"},
    "tracker": set(),
    "embedding": set(),
}
PRIMARY = sorted(CONF_DIR.glob("*.yaml"))
OPTIONS = sorted(CONF_DIR.glob("*/*.yaml"))
COMPONENT_FILES = [path for path in OPTIONS if path.parent.name in SELECTABLE]
NAMES = {g: [p.stem for p in COMPONENT_FILES if p.parent.name == g] for g in SELECTABLE}
EXPERIMENTS = [path for path in OPTIONS if path.parent.name == "experiment"]
EVERY_FIFTH_EXPERIMENT = [  # and the others with -m slow
    path if number % 5 == 0 else pytest.param(path, marks=pytest.mark.slow)
    for number, path in enumerate(EXPERIMENTS)
]


def named(paths: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name_of)


def name_of(path: Path) -> str:
    return path.relative_to(CONF_DIR).with_suffix("").as_posix()


def component(path: Path) -> dict[str, Any]:
    """Return what choosing the option `path` puts into its group."""
    return composed(NAMES[path.parent.name].index(path.stem))[path.parent.name]


@cache
def composed(number: int) -> dict[str, Any]:
    """Return the components of the options with this number, of every group at once."""
    chosen = {group: names[number % len(names)] for group, names in NAMES.items()}
    settings = compose_settings([f"{group}={name}" for group, name in chosen.items()])
    components = {**settings.components, "tracker": settings.tracker}
    assert components["dataset"].pop("inputs") is None  # of no dataset: conf/train.yaml has it
    return {**components, "embedding": settings.embedding}


def keyword_only(target: Any) -> dict[str, inspect.Parameter]:
    parameters = parameters_of(target)
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def keys_of(node: dict[str, Any]) -> set[str]:
    return {key for key in node if not key.startswith("_")}


@named([*PRIMARY, *OPTIONS])
def test_the_first_line_says_what_the_file_is(path):
    first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# "), "begin with a comment: 'redditgnn list' shows it"


@named(COMPONENT_FILES)
def test_an_option_is_a_partial_call_of_something_that_exists(path):
    node = component(path)
    assert node["_partial_"] is True
    assert callable(get_object(node["_target_"]))


@named(COMPONENT_FILES)
def test_an_option_lists_exactly_the_parameters_of_its_target(path):
    node, group = component(path), path.parent.name
    target = get_object(node["_target_"])
    if not node["_target_"].startswith("redditgnn."):
        assert keys_of(node) <= set(inspect.signature(target).parameters)
        return
    assert node["_target_"].startswith(f"redditgnn.{group}.")
    assert keys_of(node) == set(keyword_only(target)) - FACTS[group]


@named(COMPONENT_FILES)
def test_the_defaults_of_our_own_components_are_in_the_yaml_alone(path):
    node = component(path)
    if not node["_target_"].startswith("redditgnn."):
        return
    parameters = keyword_only(get_object(node["_target_"])).values()
    assert [p.name for p in parameters if p.default is not p.empty] == []


@named(COMPONENT_FILES)
def test_the_call_of_an_option_is_that_of_hydras_instantiate(path):
    ours, hydras = partial_of(component(path)), instantiate(component(path), _convert_="all")
    assert ours.func is hydras.func
    assert repr(ours.keywords) == repr(hydras.keywords)
    assert {*map(type, ours.keywords.values())} == {*map(type, hydras.keywords.values())}


@named(COMPONENT_FILES)
def test_the_values_of_an_option_have_the_annotated_types(path):
    group = path.parent.name
    config.check_types(group, partial_of(component(path)))


@named(EVERY_FIFTH_EXPERIMENT)
def test_an_experiment_composes_as_by_hydra_and_the_command_line_beats_it(path):
    overrides = [f"experiment={path.stem}", "trainer.epochs=12345"]
    merged, hydras = merge_files(overrides, [CONF_DIR]), compose_by_hydra(overrides, None)
    assert merged is not None
    assert merged[0] == hydras[0]
    assert merged[1].items() <= hydras[1].items()
    assert merged[0]["trainer"]["epochs"] == 12345


@named(EXPERIMENTS)
def test_an_experiment_is_a_lab_note(path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert comments[0] == "# @package _global_"
    assert len(comments) > 1, "say what it shows, what is expected, and who says so"


def test_the_command_line_beats_the_yaml():
    assert compose_settings(["seed=7"]).seed == 7


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("seed=abc", ["seed must be int", "'abc'"]),
        ("seed=true", ["seed must be int", "True"]),
        ("device=tpu", ["device must be", "auto", "cuda", "'tpu'"]),
        ("model=gatt", ["gatt", "gat", "sage"]),
        ("model.hiden_channels=3", ["model.hiden_channels"]),
        ("modle=gat", ["modle"]),
        ("trainer.epochs=???", ["epochs"]),
        ("results_dir=${oc.env:NO_SUCH_VARIABLE}", ["NO_SUCH_VARIABLE"]),
    ],
)
def test_a_mistake_is_a_config_error_in_one_line(override, parts):
    with pytest.raises(ConfigError) as caught:
        compose_settings([override])
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("given", [[], ["model.jk=max"], ["+model.aggr=null", "~model.aggr"]])
def test_a_tilde_removes_a_key_whether_its_value_is_null_or_not(given):
    assert compose_settings(["model=gat"]).components["model"]["jk"] is None
    model = compose_settings(["model=gat", *given, "~model.jk"]).components["model"]
    assert not {"jk", "aggr"} & set(model)


def test_a_tilde_before_a_key_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"model.jx: no such key"):
        compose_settings(["~model.jx"])
