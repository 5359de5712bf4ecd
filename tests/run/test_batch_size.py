"""`sampler.batch_size=auto` finds what fits, and is a number in all that is recorded."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.run import batch_size
from redditgnn.run import execution as run
from redditgnn.run.batch_size import largest, resolve_batch_size, with_size
from redditgnn.trainer.loop import Trainer

QUICK = ["model=gcn", "model.hidden_channels=8", "trainer.epochs=1", "device=cpu"]
SAMPLERS = {
    "neighbor": (["sampler.num_neighbors=[3,2]"], 40),
    "neighbor_tree": (["sampler.num_neighbors=[3,2]"], 40),
    "cluster": (["sampler.num_parts=6"], 6),
    "gas": (["sampler.num_parts=6"], 6),
    "saint_rw": (["sampler.sample_coverage=2"], 120),
}


@pytest.fixture
def settings(
    make_graph: Callable[..., GraphData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Settings with `sampler.batch_size=auto` whose dataset is a small graph."""
    build, graph = Settings.build, make_graph(num_nodes=120, num_edges=500, num_features=64)

    def built(self: Settings, group: str, *args, **facts):
        return graph if group == "dataset" else build(self, group, *args, **facts)

    def compose(sampler: str, *overrides: str) -> Settings:
        chosen = [f"sampler={sampler}", "sampler.batch_size=auto", *SAMPLERS[sampler][0]]
        return compose_settings([*QUICK, *chosen, *overrides, f"results_dir={tmp_path}"])

    monkeypatch.setattr(Settings, "build", built)
    monkeypatch.setattr(batch_size, "_sizes", {})
    return compose


@given(limit=st.integers(0, 3000), bound=st.integers(1, 2000))
def test_the_largest_size_is_at_most_an_eighth_too_small(limit: int, bound: int) -> None:
    tried: list[int] = []
    found = largest(lambda size: tried.append(size) is None and size <= limit, bound)
    best = min(limit, bound)
    assert found <= best
    assert found > best / 1.26 or found >= best - 1  # k of 4..7: at worst 4 for just under 5
    assert max(tried) <= bound
    assert len(tried) <= 2 * 11 + 4


@pytest.mark.parametrize(
    "sampler",
    [
        *("neighbor", "gas", "saint_rw"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("neighbor_tree", "cluster")),
    ],
)
def test_where_everything_fits_the_largest_is_all_there_is(
    sampler: str, settings: Callable[..., Settings]
) -> None:
    assert (
        resolve_batch_size(settings(sampler)).components["sampler"]["batch_size"]
        == SAMPLERS[sampler][1]
    )


@pytest.mark.parametrize(("sampler", "expected"), [("neighbor", 20), ("gas", 3)])
def test_what_is_estimated_not_to_fit_is_not_tried(
    sampler: str, expected: int, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate(parts: Parts, *facts) -> SimpleNamespace:
        size = parts.settings.components["sampler"]["batch_size"]
        return SimpleNamespace(training=1000 * size)

    most = 1000 * (expected + 0.5)
    monkeypatch.setattr(batch_size, "estimate", estimate)
    monkeypatch.setattr(batch_size, "free_memory", lambda device: most / batch_size.SHARE)
    assert resolve_batch_size(settings(sampler)).components["sampler"]["batch_size"] == expected


def test_what_a_trial_cannot_allocate_does_not_fit(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def limited(self, model, optimizer, batch):
        if batch.num_targets > 13 and len(batch.node_ids) < 100:  # of a real batch
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(self, model, optimizer, batch)

    monkeypatch.setattr(Trainer, "step", limited)
    assert resolve_batch_size(settings("neighbor")).components["sampler"]["batch_size"] == 12


def test_a_batch_of_one_that_does_not_fit_is_refused(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "free_memory", lambda device: 1000)
    with pytest.raises(ConfigError, match="batch_size=auto: not even a batch of 1 fits"):
        resolve_batch_size(settings("neighbor"))


def test_a_run_records_the_size_that_was_found_and_is_the_run_of_that_size(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chosen = settings("cluster")
    rows = []
    for each in (chosen, with_size(chosen, 6)):
        run.run(replace(each, results_dir=str(tmp_path / str(len(rows)))))
        lines = (tmp_path / str(len(rows)) / "runs.csv").read_text().splitlines()
        rows.extend(csv.DictReader(lines))
    assert json.loads(rows[0]["hyperparameters"])["sampler.batch_size"] == 6
    assert rows[0]["config_hash"] == rows[1]["config_hash"]
    scores = [row[name] for name in ("train_loss", "test_micro_f1") for row in rows]
    assert scores[0] == scores[1]
    assert scores[2] == scores[3]


def test_repetitions_have_the_same_size(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = resolve_batch_size(settings("neighbor"))
    monkeypatch.setattr(batch_size, "free_memory", lambda device: 1000)
    assert hash_of_config(resolve_batch_size(settings("neighbor", "seed=1"))) == hash_of_config(
        first
    )


def test_a_sampler_without_batches_refuses_it() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        compose_settings(["sampler=full", "sampler.batch_size=auto"])
