"""`sampler.batch_size=auto`: the largest batch whose training step fits in memory.

It is searched before the run begins. Then it is the setting of the run, as if a user had written
it.
"""

from __future__ import annotations

import gc
import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace

import torch

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, require
from redditgnn.graph.batch import Batch
from redditgnn.memory.estimate import estimate
from redditgnn.memory.out_of_memory import MemoryWatch, Phase, is_out_of_memory
from redditgnn.parts import Parts
from redditgnn.runtime.measure import MIB, reset_peak_cuda
from redditgnn.runtime.memory import free_memory

AUTO = "auto"
SHARE = 0.8  # of free memory: batches differ, and others need some too
BISECTIONS = 2  # so that small changes of what is free do not change the result
_sizes: dict[str, int] = {}  # settings except the seed -> batch size: repetitions have the same

log = logging.getLogger(__name__)


def resolve_batch_size(settings: Settings) -> Settings:
    """Return `settings` with the batch size that `auto` stands for; themselves if it is a number.

    Raises:
        ConfigError: not even a batch of one fits, or the settings are wrong elsewhere.
    """
    sampler = settings.components["sampler"]
    batch_size = sampler.get("batch_size")
    if batch_size != AUTO:
        is_text = isinstance(batch_size, str)
        require(not is_text, f"sampler.batch_size must be an int or auto, got {batch_size!r}")
        return settings
    with_size(settings, 1).check()
    places = [settings.device, settings.data_dir, settings.kernels.backend]
    key = json.dumps([settings.protocol_keys, settings.components, *places], sort_keys=True)
    if key not in _sizes:
        _sizes[key] = _largest_that_fits(settings)
    return with_size(settings, _sizes[key])


def with_size(settings: Settings, batch_size: int) -> Settings:
    """Return `settings` with another `sampler.batch_size`."""
    sampler = settings.components["sampler"] | {"batch_size": batch_size}
    return replace(settings, components=settings.components | {"sampler": sampler})


def largest(fits: Callable[[int], bool], bound: int) -> int:
    """Return about the largest size up to `bound` that `fits`; 0 if none does.

    It is `bound` or has the form k * 2^n with k in 4..7: sizes are doubled, then bisected twice.
    """
    size = 0
    while (double := max(1, 2 * size)) <= bound and fits(double):
        size = double
    if 0 < size < bound < 2 * size and fits(bound):
        return bound
    step = size
    for _ in range(BISECTIONS):
        step //= 2
        if step and size + step < bound and fits(size + step):
            size += step
    return size


def _largest_that_fits(settings: Settings) -> int:
    parts = Parts(settings)
    with parts.in_effect():
        with MemoryWatch(settings, parts.device).during(Phase.LOADING):
            trials = Trials(parts)
        size = largest(trials.fits, trials.bound)
    require(
        size > 0,
        "sampler.batch_size=auto: not even a batch of 1 fits in the "
        f"{trials.free / MIB:,.0f} MiB that are free; lower model.hidden_channels or "
        "sampler.num_neighbors, or raise sampler.num_parts, where there is one",
    )
    log.info("sampler.batch_size=auto: %s of at most %s", f"{size:,}", f"{trials.bound:,}")
    return size


class Trials:
    """Tries batch sizes on models and samplers that are thrown away.

    Attributes:
        bound: What no batch exceeds: the number of parts, of training nodes, or of all nodes for
            samplers that draw from all.
        free: Bytes that were free at first.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._settings = parts, replace(parts.settings, seed=0)
        self._device, graph = parts.device, parts.train_graph
        self.free = free_memory(parts.device)
        sampler = parts.settings.components["sampler"]
        nodes = graph.num_nodes if "num_steps" in sampler else int(graph.train_mask.sum())
        self.bound: int = sampler.get("num_parts", max(1, nodes))

    def fits(self, batch_size: int) -> bool:
        """Whether a step is estimated to fit, and a trial of it does not run out of memory."""
        settings = with_size(self._settings, batch_size)
        try:
            with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
                return self._fits(self._parts.anew(settings))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            return False
        finally:
            gc.collect()
            reset_peak_cuda(self._device)

    def _fits(self, parts: Parts) -> bool:
        batch = next(iter(parts.sampler), None)
        if batch is None:
            raise ConfigError("sampler.batch_size=auto needs training nodes, and there are none")
        needed = estimate(parts, batch, len(parts.sampler)).training
        log.debug("batch_size %d needs %.0f MiB", len(batch.node_ids), needed / MIB)
        if needed > SHARE * self.free:
            return False
        _take_steps(parts, batch)
        return True


def _take_steps(parts: Parts, batch: Batch) -> None:
    """Take two steps: after the first the optimizer has its state."""
    model = parts.model
    if model.propagation is not None:  # its features are not there yet
        return
    model.train()
    for _ in range(2):
        parts.trainer.step(model, parts.optimizer, batch.to(parts.device))
