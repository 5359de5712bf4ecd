"""Optimizers with two weight decays."""

from __future__ import annotations

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphSpec

SPEC = GraphSpec(10, 4, 3, False)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_layer_of_the_logits_has_its_own_weight_decay(name: str) -> None:
    settings = compose_settings(
        [f"optimizer={name}", "optimizer.weight_decay=0.5", "optimizer.nonreg_weight_decay=0.25"]
        + ["dataset=pubmed", "model=gcn", "sampler=full"]
    )
    model = settings.build("model", SPEC)
    first, last = settings.build("optimizer", model).param_groups
    assert (first["weight_decay"], last["weight_decay"]) == (0.5, 0.25)
    assert {id(p) for p in last["params"]} == {id(p) for p in model.convs[-1].parameters()}
    assert len(first["params"]) + len(last["params"]) == len(list(model.parameters()))


def test_null_is_one_weight_decay_for_all() -> None:
    settings = compose_settings(["dataset=pubmed", "model=gcn", "sampler=full"])
    (group,) = settings.build("optimizer", settings.build("model", SPEC)).param_groups
    assert group["weight_decay"] == 0.0


def test_without_weight_decay_a_step_is_torchs_own() -> None:
    settings = compose_settings(["dataset=pubmed", "model=mlp", "sampler=full"])
    torch.manual_seed(0)
    model = settings.build("model", SPEC)
    ours = settings.build("optimizer", model)
    assert isinstance(ours, torch.optim.Adam)
    assert ours.defaults["betas"] == (0.9, 0.999)
