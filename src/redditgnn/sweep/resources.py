"""What a run may use of this machine when several run at once."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch

from redditgnn.config.settings import Settings
from redditgnn.errors import require
from redditgnn.parts import resolve_device
from redditgnn.sweep.settings import SweepSettings


def environments(sweep: SweepSettings, all_settings: Iterable[Settings]) -> list[dict[str, str]]:
    """Return variables for each of `sweep.jobs` processes: threads, and a GPU if any job needs one.

    Raises:
        ConfigError: there are more jobs than GPUs will take, or no GPU where one is asked for.
    """
    all_settings = list(all_settings)
    for settings in all_settings:
        require(
            ":" not in settings.device,
            f"device={settings.device}: a sweep gives each run a GPU itself; use device=cuda, and "
            "choose GPUs with the variable CUDA_VISIBLE_DEVICES",
        )
    found = [_threads(sweep.jobs) for _ in range(sweep.jobs)]
    devices = {resolve_device(settings.device).type for settings in all_settings}
    if "cuda" not in devices:
        return found
    gpus = _visible_gpus()
    room = len(gpus) * sweep.jobs_per_gpu
    require(
        sweep.jobs <= room,
        f"sweep.jobs={sweep.jobs} is more than {len(gpus)} GPUs take at sweep.jobs_per_gpu="
        f"{sweep.jobs_per_gpu}; lower the one, raise the other, or use device=cpu",
    )
    for number, environment in enumerate(found):
        environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return found


def _threads(jobs: int) -> dict[str, str]:
    """Divide the threads that one run would have; one job has them all, as it was told."""
    if jobs == 1:
        return {}
    each = str(max(1, torch.get_num_threads() // jobs))
    return {name: each for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def _visible_gpus() -> list[str]:
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told:
        return [name.strip() for name in told.split(",")]
    return [str(number) for number in range(torch.cuda.device_count())]
