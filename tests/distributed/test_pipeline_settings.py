"""The keys of parallel=pipeline: what is hashed, what is refused, and what a dry run says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from redditgnn.command.dry_run import describe_run
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.errors import ConfigError
from redditgnn.run.parallel import resolve_parallel
from tests.conftest import TINY

GAS = ["dataset=sbm", "sampler=gas", "sampler.num_parts=8", "sampler.batch_size=1", "device=cpu"]
STAGES = ["parallel=pipeline", "parallel.processes=2"]


def hash_of(*overrides: str) -> str:
    return hash_of_config(resolve_parallel(compose_settings(overrides)))


def test_stages_and_schedule_are_no_part_of_the_hash() -> None:
    deep = [*GAS, "model.num_layers=4"]
    alone = hash_of(*deep, "trainer.batches_per_step=4")
    for change in ([], ["parallel.schedule=gpipe"], ["parallel.processes=3"]):
        assert hash_of(*deep, "trainer.batches_per_step=4", *STAGES, *change) == alone
    assert hash_of(*deep, "trainer.batches_per_step=2", *STAGES) != alone


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], 8),
        (["sampler.batch_size=3"], 3),
        (["sampler.max_steps=4"], 4),
        (["parallel.processes=1"], 8),
        (["trainer.batches_per_step=5"], 5),
    ],
)
def test_a_step_takes_all_chunks_of_the_epoch_where_nothing_is_said(
    overrides: list[str], expected: int
) -> None:
    settings = resolve_parallel(compose_settings([*GAS, *STAGES, *overrides]))
    assert settings.components["trainer"]["batches_per_step"] == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampler=cluster"], "got sampler=cluster; use sampler=gas, or parallel=data"),
        (
            ["sampler.batch_size=auto"],
            "cannot try sampler.batch_size=auto, which needs all layers; give",
        ),
        (["parallel.processes=3"], "which is 2, got 3; use fewer processes, or a deeper model"),
        (["model=sgc"], "at most the number of layers with parallel=pipeline, which is 1"),
        (["model.jk=cat"], "which model.jk=cat reads; use model.jk=null or last"),
        (["trainer.batches_per_step=1"], "one process works at a time, got trainer.batches_per"),
        (["sampler.batch_size=8"], "one process works at a time, got trainer.batches_per_step=1"),
        (["sampler.lipschitz_weight=0.1"], "sampler.lipschitz_weight=0, got 0.1: the penalty"),
        (["sampler.log_staleness=true"], "sampler.log_staleness=false, got true: no process"),
        (["trainer.precision=bf16"], "trainer.precision=fp32, got bf16: states travel in float32"),
        (["trainer.compile=true"], "trainer.compile=false, got true: no process has all layers"),
        (["parallel.schedule=zb"], "parallel.schedule must be"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_stages_cannot_do_is_refused_before_a_process_starts(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as refusal:
        resolve_parallel(compose_settings([*GAS, *STAGES, *overrides]))
    assert "\n" not in str(refusal.value)


def test_fewer_chunks_than_stages_are_told(caplog: pytest.LogCaptureFixture) -> None:
    few = ["model.num_layers=4", "trainer.batches_per_step=2", "parallel.processes=4"]
    with caplog.at_level(logging.WARNING):
        resolve_parallel(compose_settings([*GAS, *STAGES, *few]))
    assert "is below parallel.processes=4: each process is idle for 60% of a step" in caplog.text


def test_a_dry_run_says_what_stages_hold_send_and_wait(tmp_path: Path) -> None:
    run = [*TINY, *GAS[1:], "model=gcn", "model.num_layers=5", f"data_dir={tmp_path}"]
    text = describe_run(compose_settings([*run, *STAGES]))
    assert "2 processes by gloo with 3 + 2 layers, each with at most 50% of the hist" in text
    assert re.search(r"idle in a step +11%", text), text
    sent = re.search(
        r"sent in a step +([\d.]+) MiB by all together, for 8 chunks of up to (\d+)", text
    )
    assert sent is not None, text
    formula = 2 * 4 * 8 * (int(sent[2]) * 8 + 1264)  # states of 8 channels, and random numbers
    assert float(sent[1]) == pytest.approx(formula / 2**20, abs=0.06)
