"""The data of a sweep, loaded once before any job begins, and what only data can refute."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, UserError
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.sweep.plan import Job

OF_A_MODEL = ("model", "optimizer", "scheduler", "trainer")


class Data:
    """Loads each dataset once, which converts it for all jobs, and remembers what it is."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}
        self._graphs: dict[str, GraphData] = {}  # mapped files
        self._built: set[str] = set()

    def fingerprint(self, settings: Settings) -> str:
        """Return the fingerprint that a run of `settings` has.

        Raises:
            UserError: the data cannot be had.
        """
        told = json.dumps([_told(settings), settings.protocol])
        if told not in self._fingerprints:
            fingerprint = self._graph(settings).fingerprint.of_a_run(settings.protocol)
            self._fingerprints[told] = str(fingerprint)
        return self._fingerprints[told]

    def try_out(self, settings: Settings) -> None:
        """Build what a run builds before its sampler, which may take long.

        Raises:
            UserError: a component refuses its settings.
        """
        components = [settings.components[group] for group in OF_A_MODEL]
        told = json.dumps([_told(settings), components], sort_keys=True)
        if told in self._built:
            return
        parts = Parts(settings, graph=self._graph(settings))
        _ = parts.trainer, parts.scheduler
        self._built.add(told)

    def _graph(self, settings: Settings) -> GraphData:
        told = _told(settings)
        if told not in self._graphs:
            self._graphs[told] = settings.build("dataset", Path(settings.data_dir))
        return self._graphs[told]

    def release(self) -> None:
        """Close the files; fingerprints stay."""
        self._graphs.clear()


def data_of(jobs: Sequence[Job]) -> Data:
    """Load the data of all jobs, and try out their settings on it.

    Raises:
        ConfigError: names the job that has a mistake, or whose data cannot be had.
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


def _told(settings: Settings) -> str:
    return json.dumps([settings.components["dataset"], settings.data_dir], sort_keys=True)
