"""Whole training runs do not depend on which backend computes attention, beyond rounding."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.config.compose import compose_settings
from redditgnn.run.execution import run


def losses(results_dir: Path, *overrides: str) -> list[float]:
    """Training and validation losses of every epoch of a run."""
    row, _ = run(compose_settings([f"results_dir={results_dir}", "device=cpu", *overrides]))
    with (results_dir / "runs" / row.run_id / "epochs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    return [float(line[key]) for line in lines for key in ("train_loss", "val_loss")]


@pytest.mark.realdata
@pytest.mark.parametrize("model", ["gat", pytest.param("gatv2", marks=pytest.mark.slow)])
def test_the_loss_curve_on_pubmed_is_the_same_on_numba_and_on_torch(
    model: str, link_raw: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = [
        f"data_dir={link_raw('PubMed')}",
        "dataset=pubmed",
        f"model={model}",
        "model.heads=8",
        "model.attention_dropout=0.6",
        "sampler=full",
        "trainer.epochs=5",
    ]
    curves = [losses(tmp_path / b, *settings, f"kernels.backend={b}") for b in ("torch", "numba")]
    assert len(curves[0]) == 10
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
