"""`trainer.recompute=layers`: the same training bit for bit, with less memory at its peak."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.parts import Parts
from redditgnn.trainer import forward

FULL = "model.num_layers=3 model.hidden_channels=8 model.dropout=0.3 sampler=full"
RUNS = [
    f"model=gat model.heads=2 model.attention_dropout=0.4 model.jk=cat {FULL}",
    f"model=gcn model.norm=batch model.residual=true {FULL}",
    f"model=gcn {FULL} sampler=gas sampler.num_parts=4 sampler.batch_size=1 "
    "sampler.lipschitz_weight=0.5",
]
MORE_RUNS = [
    f"model=gatv2 model.heads=2 model.norm=batch {FULL}",
    f"model=sage model.jk=lstm {FULL}",
    f"model=gcn2 {FULL}",
    f"model=gin {FULL}",
    f"model=pna model.towers=2 {FULL}",
    "model=appnp model.dropout=0.3 sampler=full",
    "model=sage sampler=neighbor sampler.num_neighbors=[4,3] sampler.batch_size=8",
]


def trained(overrides: str, graph: GraphData, recompute: str) -> dict[str, Tensor]:
    """Train for two epochs, and return weights, running statistics and histories."""
    words = [*overrides.split(), "device=cpu", f"trainer.recompute={recompute}"]
    parts = Parts(compose_settings(words), graph=graph)
    torch.manual_seed(0)
    model, optimizer, sampler = parts.model.train(), parts.optimizer, parts.sampler
    for _ in range(2):
        for batch in sampler:
            parts.trainer.step(model, optimizer, batch)
    histories = getattr(sampler, "histories", None)
    states = {} if histories is None else {str(n): t for n, t in histories.states.items()}
    return {**model.state_dict(), **states, "random": torch.rand(4)}


@pytest.mark.parametrize(
    "overrides", [*RUNS, *(pytest.param(run, marks=pytest.mark.slow) for run in MORE_RUNS)]
)
def test_recomputed_layers_train_bit_for_bit_as_kept_ones(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=300)
    kept, again = (trained(overrides, graph, value) for value in ("null", "layers"))
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_recomputed_layers_lower_the_peak_of_a_deep_model(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=3000, num_edges=20_000)

    def step_bytes(value: str) -> float:
        words = ["model=gat", "model.num_layers=8", "model.dropout=0.3", "sampler=full"]
        parts = Parts(compose_settings([*words, "device=cpu", f"trainer.recompute={value}"]))
        parts.graph = graph
        return estimate_sampler(parts, parts.sampler).step

    assert step_bytes("layers") < 0.5 * step_bytes("null")


def test_recompute_is_hashed_where_it_is_set() -> None:
    default, null, layers = (
        hash_of_config(compose_settings(words))
        for words in ([], ["trainer.recompute=null"], ["trainer.recompute=layers"])
    )
    assert default == null != layers


def test_generated_code_and_recompute_are_refused_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forward, "compile_obstacle", lambda: None)
    settings = compose_settings(["trainer.compile=true", "trainer.recompute=layers"])
    with pytest.raises(ConfigError, match=r"trainer\.recompute=layers cannot be combined with"):
        settings.build("trainer", device=torch.device("cpu"))
