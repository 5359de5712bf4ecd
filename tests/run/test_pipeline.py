"""Runs whose layers are stages of a pipeline: the files of one process, whatever happens."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.run.test_parallel import LIMIT_S, codes_of, outcome, rows_of, wait_for

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4"),
    *("model=gcn", "model.num_layers=3", "model.hidden_channels=8", "model.norm=batch"),
    *("sampler=gas", "sampler.num_parts=4", "sampler.batch_size=1", "sampler.refresh_every=2"),
    *("trainer.epochs=4", "trainer.batches_per_step=2", "device=cpu"),
)
STAGES = ("parallel=pipeline", "parallel.processes=2", "parallel.timeout=60s")
