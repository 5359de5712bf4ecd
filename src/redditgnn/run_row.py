"""The columns of runs.csv: what is known before a run, and what its epochs add."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timezone
from typing import Any

import torch

from redditgnn.config import COMPONENTS, Settings, hash_of_config
from redditgnn.measure import peak_cuda_mib, peak_rss_mib
from redditgnn.provenance import provenance
from redditgnn.recorder import EpochRow, RunRow
from redditgnn.trainer import Training


def row_at_start(settings: Settings, device: torch.device) -> RunRow:
    """Return what is known before a run begins; its status is `failed` until it says otherwise."""
    now = datetime.now(timezone.utc)
    config_hash = hash_of_config(settings)
    made = provenance(device)
    names: dict[str, Any] = {g: settings.choices[g] for g in ("dataset", "model", "sampler")}
    return RunRow(
        run_id=f"{now:%Y%m%d-%H%M%S}-{config_hash[:6]}-s{settings.seed}-{secrets.token_hex(2)}",
        started_at=now.isoformat(timespec="seconds"),
        status="failed",
        **names,
        experiment=settings.choices["experiment"],
        seed=settings.seed,
        protocol=settings.protocol,
        config_hash=config_hash,
        commit=made["commit"],
        dirty=made["dirty"],
        torch_version=made["torch_version"],
        pyg_version=made["pyg_version"],
        device=made["device"],
        device_name=made["device_name"],
        num_threads=made["num_threads"],
        kernels_backend=settings.kernels.backend,
        hyperparameters=json.dumps(_hyperparameters(settings), sort_keys=True),
    )


def _hyperparameters(settings: Settings) -> dict[str, Any]:
    told = {
        f"{group}.{key}": value
        for group in COMPONENTS
        for key, value in settings.components[group].items()
        if not key.startswith("_")
    }
    return {
        "optimizer": settings.choices["optimizer"],
        "scheduler": settings.choices["scheduler"],
    } | told


def timings(rows: list[EpochRow]) -> dict[str, Any]:
    """Return the columns that sum up epochs."""
    if not rows:
        return {}
    training = Training(rows)
    return {
        "epochs": len(rows),
        "train_s": training.total("epoch_s"),
        "eval_s": training.total("eval_s"),
        "epoch_median_s": training.epoch_median_s,
        **{name: training.total(name) for name in ("sample_s", "transfer_s", "compute_s")},
    }


def result(training: Training) -> dict[str, Any]:
    """Return the columns that tell of the best epoch; none if no epoch was evaluated."""
    best = training.best
    if best is None:
        return {}
    return {
        "best_epoch": best.epoch,
        "time_to_best_s": training.time_to_best_s,
        "train_loss": best.train_loss,
        "val_accuracy": best.val_accuracy,
        "val_micro_f1": best.val_micro_f1,
        "val_macro_f1": best.val_macro_f1,
    }


def peaks(device: torch.device) -> dict[str, Any]:
    """Return the columns of memory, as far as they can still be read."""
    try:
        allocated, reserved = peak_cuda_mib(device)
    except RuntimeError:  # after a CUDA error every later call fails
        allocated, reserved = None, None
    return {
        "peak_cuda_allocated_mib": allocated,
        "peak_cuda_reserved_mib": reserved,
        "peak_rss_mib": peak_rss_mib(),
    }
