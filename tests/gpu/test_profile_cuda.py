"""`--profile` and the meter of energy on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.run.profile import MOST_STEPS, profile_run
from redditgnn.runtime.energy import gpu_energy
from tests.conftest import TINY

pytestmark = pytest.mark.gpu


def test_operators_have_the_seconds_of_their_kernels(tmp_path: Path) -> None:
    overrides = [*TINY, "device=cuda", "model=gat", "model.heads=2", "sampler=neighbor"]
    overrides += ["sampler.num_neighbors=[3,2]", "sampler.batch_size=64"]
    folders = [f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}"]
    phases = profile_run(compose_settings([*overrides, *folders])).phases
    for name in ("forward", "backward", "update", "evaluation"):
        in_kernels = sum(seconds for seconds, _ in phases[name].operators.values())
        assert 0 < in_kernels < phases[name].seconds
    assert phases["forward"].operators["redditgnn::gat_attention"][1] == 2 * MOST_STEPS


def test_a_gpu_at_work_draws_energy() -> None:
    pytest.importorskip("pynvml")
    device = torch.device("cuda")
    meter, a = gpu_energy(device), torch.ones(8192, 8192, device=device)
    for _ in range(100):
        a @ a
    torch.cuda.synchronize()
    drawn = meter.joules()
    assert drawn is not None
    assert drawn > 0
