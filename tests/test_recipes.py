"""The experiments on graphs that are large or elsewhere: each trains on a graph of the same shape.

Features, classes, multi-label or not are those of the dataset that a recipe is for; nodes, epochs
and what grows with the nodes are few. Such a run shows that a recipe works, not what it scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from redditgnn import CONF_DIR
from redditgnn.config import Settings, compose_settings
from redditgnn.fingerprint import Fingerprint
from redditgnn.run import run

DATASETS = ("flickr", "ogbn_arxiv", "ogbn_products", "ppi", "reddit", "reddit2", "yelp")
MULTI_LABEL = ("ppi", "yelp")
WIDE = 1024  # a state of more channels is made of fewer here
NARROW = ["model.hidden_channels=64"]


def dataset_of(recipe: str) -> str:
    """Return the longest name of a dataset that `recipe` begins with, "" if there is none."""
    return max((name for name in DATASETS if recipe.startswith(f"{name}_")), key=len, default="")


RECIPES = [path.stem for path in sorted((CONF_DIR / "experiment").glob("*.yaml"))]
RECIPES = [recipe for recipe in RECIPES if dataset_of(recipe)]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where graphs stay for the recipes that share them."""
    return tmp_path_factory.mktemp("data")


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
    if recipe.components["model"]["hidden_channels"] > WIDE:
        overrides += NARROW
    if "num_parts" in sampler:
        overrides += ["sampler.num_parts=4", "sampler.batch_size=2"]
    if "num_steps" in sampler:
        overrides += ["sampler.num_steps=2", "sampler.sample_coverage=5"]
    return overrides


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_on_a_graph_of_the_same_shape(recipe, data_dir, tmp_path):
    settings = compose_settings([f"experiment={recipe}"])
    folders = [f"data_dir={data_dir}", f"results_dir={tmp_path}", "device=cpu"]
    overrides = [*of_the_same_shape(settings), *with_less_to_do(settings), *folders]
    row, _ = run(compose_settings([f"experiment={recipe}", *overrides]))
    assert row.status == "completed"
    assert row.experiment == recipe
    assert row.epochs == 1
    assert row.test_micro_f1 is not None
    if settings.choices["dataset"] not in MULTI_LABEL:
        assert row.test_micro_f1 == row.test_accuracy
