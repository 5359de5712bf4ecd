"""Shares of this machine for runs at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch

from redditgnn.config.settings import Settings
from redditgnn.errors import require
from redditgnn.runtime.hardware import resolve_device
from redditgnn.sweep.settings import SweepSettings


def build_environments(
    sweep: SweepSettings, all_settings: Iterable[Settings]
) -> list[dict[str, str]]:
    """Return variables for each of `sweep.jobs` processes: threads, and a GPU if any job needs one.

    Raises:
        ConfigError: there are more jobs than GPUs will take, or no GPU where a job needs one.
    """
    all_settings = list(all_settings)
    for settings in all_settings:
        require(
            ":" not in settings.device,
            f"device={settings.device}: a sweep gives each run a GPU itself; use device=cuda, and "
            "choose GPUs with the variable CUDA_VISIBLE_DEVICES",
        )
    environments = [_thread_variables(sweep.jobs) for _ in range(sweep.jobs)]
    devices = {resolve_device(settings.device).type for settings in all_settings}
    if "cuda" not in devices:
        return environments
    gpus = _visible_gpus()
    room = len(gpus) * sweep.jobs_per_gpu
    require(
        sweep.jobs <= room,
        f"sweep.jobs={sweep.jobs} is more than {len(gpus)} GPUs take at sweep.jobs_per_gpu="
        f"{sweep.jobs_per_gpu}; lower the one, raise the other, or use device=cpu",
    )
    for number, environment in enumerate(environments):
        environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return environments


def _thread_variables(jobs: int) -> dict[str, str]:
    """Divide the threads of one run among the jobs. A single job keeps its own variables."""
    if jobs == 1:
        return {}
    each = str(max(1, torch.get_num_threads() // jobs))
    return {name: each for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def _visible_gpus() -> list[str]:
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    if devices:
        return [name.strip() for name in devices.split(",")]
    return [str(number) for number in range(torch.cuda.device_count())]
