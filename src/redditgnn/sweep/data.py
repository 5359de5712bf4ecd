"""The data of a sweep: loaded once before any job begins, and used to check all settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, UserError
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts, fingerprint_with_inputs
from redditgnn.sweep.plan import Job

MODEL_GROUPS = ("model", "optimizer", "scheduler", "trainer")


class Data:
    """Loads each dataset once, which converts it for all jobs, and remembers its fingerprint."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}
        self._graphs: dict[str, GraphData] = {}  # mapped files
        self._built_keys: set[str] = set()

    def fingerprint(self, settings: Settings) -> str:
        """Return the fingerprint that a run of `settings` has.

        Raises:
            UserError: the data cannot be loaded.
        """
        key = json.dumps([_dataset_key(settings), settings.embedding, settings.protocol_part])
        if key not in self._fingerprints:
            fingerprint = fingerprint_with_inputs(settings, self._graph(settings))
            self._fingerprints[key] = str(fingerprint.of_a_run(settings.protocol_part))
        return self._fingerprints[key]

    def try_out(self, settings: Settings) -> None:
        """Build the parts of a run except the sampler, which may take long.

        Raises:
            UserError: a component refuses its settings.
        """
        components = [settings.components[group] for group in MODEL_GROUPS]
        key = json.dumps([_dataset_key(settings), components], sort_keys=True)
        if key in self._built_keys:
            return
        parts = Parts(settings, graph=self._graph(settings))
        _ = parts.trainer, parts.scheduler
        self._built_keys.add(key)

    def _graph(self, settings: Settings) -> GraphData:
        key = _dataset_key(settings)
        if key not in self._graphs:
            self._graphs[key] = settings.build("dataset", Path(settings.data_dir))
        return self._graphs[key]

    def release(self) -> None:
        """Close the files, and keep the fingerprints."""
        self._graphs.clear()


def load_data(jobs: Sequence[Job]) -> Data:
    """Load the data of all jobs, and try out their settings on it.

    Raises:
        ConfigError: names the job that has a mistake, or whose data cannot be loaded.
    """
    data = Data()
    for job in jobs:
        try:
            data.fingerprint(job.settings)
            data.try_out(job.settings)
        except UserError as error:
            raise ConfigError(f"job {job.number} ({job.label}): {error}") from error
    data.release()
    return data


def _dataset_key(settings: Settings) -> str:
    return json.dumps([settings.components["dataset"], settings.data_dir], sort_keys=True)
