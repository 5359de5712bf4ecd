"""The experiments on graphs that are large or elsewhere: each trains on a graph of the same shape.

Features, classes, multi-label or not are those of the dataset that a recipe is for; nodes, epochs
and what grows with the nodes are few. Such a run shows that a recipe works, not what it scores.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from redditgnn import CONF_DIR
from redditgnn.config.compose import compose_settings
from redditgnn.config.experiments import Experiments
from redditgnn.config.settings import Settings
from redditgnn.run.execution import run

REPOSITORY = Path(__file__).parents[2]
DATASETS = ("flickr", "ogbn_arxiv", "ogbn_products", "ppi", "reddit", "reddit2", "yelp")
MULTI_LABEL = ("ppi", "yelp")
WIDE = 1024  # a state of more channels is made of fewer here


def dataset_of(recipe: str) -> str:
    """Return the longest name of a dataset that `recipe` begins with, "" if there is none."""
    return max((name for name in DATASETS if recipe.startswith(f"{name}_")), key=len, default="")


EXPERIMENTS = [path.stem for path in sorted((CONF_DIR / "experiment").glob("*.yaml"))]
RECIPES = [experiment for experiment in EXPERIMENTS if dataset_of(experiment)]
OF_REDDIT = [recipe for recipe in RECIPES if dataset_of(recipe).startswith("reddit")]
SCRIPT = REPOSITORY / "scripts" / "reddit.sh"


def every_second_by_default(recipes: list[str]) -> list[Any]:
    """Return all recipes. Every second is slow, since to train all takes half a CPU minute."""
    slow = {recipe: pytest.param(recipe, marks=pytest.mark.slow) for recipe in recipes[1::2]}
    return [slow.get(recipe, recipe) for recipe in recipes]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where graphs stay for the recipes that share them."""
    return tmp_path_factory.mktemp("data")


@cache
def settings_of(recipe: str) -> Settings:
    """Return the settings of a recipe as it is."""
    return Experiments([CONF_DIR]).compose(recipe)[0]


def of_the_same_shape(recipe: Settings) -> list[str]:
    """Return the overrides that put a graph of a few hundred nodes in the place of the real one."""
    dataset = recipe.choices["dataset"]
    counts = recipe.components["dataset"]["expected"]
    name = "sbm_multilabel" if dataset in MULTI_LABEL else "sbm"
    return [
        f"dataset={name}",
        "dataset.scale=0.0015",
        f"dataset.num_features={counts['num_features']}",
        f"dataset.num_classes={counts['num_classes']}",
    ]


def with_less_to_do(recipe: Settings) -> list[str]:
    """Return the overrides that make one short epoch of a training, whatever its sampler."""
    sampler: dict[str, Any] = recipe.components["sampler"]
    overrides = ["trainer.epochs=1"]
    if recipe.components["model"].get("hidden_channels", 0) > WIDE:
        overrides.append("model.hidden_channels=64")
    if "num_parts" in sampler:
        overrides += ["sampler.num_parts=4", "sampler.batch_size=2"]
    if "num_steps" in sampler:
        overrides += ["sampler.num_steps=2", "sampler.sample_coverage=5"]
    return overrides


@pytest.mark.parametrize("recipe", every_second_by_default(RECIPES))
def test_a_recipe_trains_on_a_graph_of_the_same_shape(recipe, data_dir, tmp_path):
    settings = settings_of(recipe)
    folders = [f"data_dir={data_dir}", f"results_dir={tmp_path}", "device=cpu"]
    overrides = [*of_the_same_shape(settings), *with_less_to_do(settings), *folders]
    row, _ = run(compose_settings([f"experiment={recipe}", *overrides]))
    assert row.status == "completed"
    assert row.experiment == recipe
    assert row.epochs == 1
    assert row.test is not None
    if settings.choices["dataset"] not in MULTI_LABEL:
        assert row.test["micro_f1"] == row.test["accuracy"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_target_is_of_the_graph_that_the_recipe_trains_on(recipe):
    settings = settings_of(recipe)
    expected = settings.components["dataset"]["expected"]
    target = OmegaConf.load(CONF_DIR / "experiment" / f"{recipe}.yaml").target.fingerprint
    assert settings.choices["dataset"] == dataset_of(recipe)
    of_embedding = settings.inputs.method is not None  # no target knows these features
    assert target.get("features") == (None if of_embedding else expected["num_features"])
    assert target.labels == expected["num_classes"]
    sizes = (expected[f"num_{split}"] for split in ("train", "val", "test"))
    assert target.split == "/".join(map(str, sizes))
    inductive_there = recipe in ("reddit_dgi", "reddit_graphsage")  # and transductive here
    assert target.get("protocol") == (None if inductive_there else settings.protocol)
    if dataset_of(recipe) in ("flickr", "reddit", "reddit2"):
        assert target.edges == expected["num_edges"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_table_of_the_recipes_has_its_number(recipe):
    target = OmegaConf.load(CONF_DIR / "experiment" / f"{recipe}.yaml").target
    table = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {recipe} \| ([\d.]+)", table, flags=re.MULTILINE)
    assert float(row) == target.percent


def reddit(tmp_path: Path, *arguments: str, **codes: int) -> tuple[list[str], int]:
    """Run scripts/reddit.sh over the recipes `codes`, whose verification ends with that code.

    Returns:
        The lines that it printed, and its own exit code.
    """
    command = tmp_path / "redditgnn"
    cases = " ".join(f"experiment={recipe}) exit {code};;" for recipe, code in codes.items())
    command.write_text(f'#!/bin/sh\necho "$@"\ncase $2 in {cases} esac\n')
    command.chmod(0o755)
    recipes = {"RECIPES": " ".join(codes)} if codes else {}
    env = os.environ | {"REDDITGNN": str(command)} | recipes
    done = subprocess.run(
        ["bash", str(SCRIPT), *arguments], env=env, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines(), done.returncode


def test_make_reddit_verifies_every_recipe_of_both_reddits_once(tmp_path):
    lines, code = reddit(tmp_path, "seeds=3")
    verified = [line for line in lines if line.startswith("verify")]
    assert sorted(verified) == sorted(f"verify experiment={name} seeds=3" for name in OF_REDDIT)
    assert code == 0


def test_make_reddit_goes_on_after_a_missed_number_and_a_failed_run(tmp_path):
    lines, code = reddit(tmp_path, a=4, b=3, c=0)
    assert [line for line in lines if "verify" in line][-1] == "verify experiment=c"
    assert lines[-3:] == [
        "== reproduced or above: c",
        "== below or undecided: a",
        "== failed runs: b",
    ]
    assert code == 3


@pytest.mark.parametrize("ending", [1, 2, 130])
def test_make_reddit_stops_at_a_mistake_a_bug_and_an_interrupt(ending, tmp_path):
    lines, code = reddit(tmp_path, a=0, b=ending, c=0)
    assert not [line for line in lines if "experiment=c" in line]
    assert code == ending
