"""A finished run, read back from its folder: settings, weights, graph, predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import current_target, with_later_keys
from redditgnn.config.settings import Settings
from redditgnn.errors import DataError
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.model.base import Backbone
from redditgnn.parts import Parts
from redditgnn.record import checkpoint
from redditgnn.run.execution import run


class Run:
    """A run that wrote its best weights into `folder`.

    Attributes:
        folder: `results_dir/runs/RUN_ID`.
        settings: The settings that it was run with.
    """

    def __init__(self, folder: Path, settings: Settings, fingerprint: str) -> None:
        self.folder, self.settings = folder, settings
        self._parts, self._fingerprint = Parts(settings), fingerprint

    @property
    def run_id(self) -> str:
        return self.folder.name

    @cached_property
    def graph(self) -> GraphData:
        """The dataset, which must be what the run was trained on.

        Raises:
            DataError: it has changed since.
        """
        graph = self._parts.graph
        now = str(graph.fingerprint.of_a_run(self.settings.protocol))
        if now != self._fingerprint:
            raise DataError(
                f"{self.folder}: the run was trained on other data than data_dir="
                f"{self.settings.data_dir} holds now ({self._fingerprint}; now {now}); name the "
                "folder that it was trained on, or train again"
            )
        return graph

    @cached_property
    def model(self) -> Backbone:
        """The model with the weights of its best epoch, in evaluation mode.

        Raises:
            DataError: the weights are missing or damaged.
        """
        path = self.folder / "best.pt"
        if not path.exists():
            raise DataError(f"{path} is missing: the run ended before its first evaluation")
        _ = self.graph  # refuses other data
        model = self._parts.model
        model.load_state_dict(checkpoint.load(path))
        return model.eval()

    @property
    def epochs(self) -> pd.DataFrame:
        """The rows of epochs.csv: losses, scores and seconds of each epoch."""
        return pd.read_csv(self.folder / "epochs.csv")

    def logits(self) -> Float[Tensor, "nodes classes"]:
        """Compute the logits of all nodes from all edges, on the CPU."""
        model, trainer = self.model, self._parts.trainer
        with self._parts.in_effect():
            parts = self._parts.with_precomputed_features()
            inference = ExactInference(
                parts.graph,
                parts.device,
                chunk_edges=trainer.eval_chunk_edges,
                precision=trainer.precision,
            )
            return inference(model)

    def predict(self) -> Int64[Tensor, " nodes"] | Bool[Tensor, "nodes classes"]:
        """Return the class of every node, or whether it has each of several labels."""
        logits = self.logits()
        return logits > 0 if self.graph.y.dim() == 2 else logits.argmax(1)


def train(settings: Settings | Sequence[str]) -> Run:
    """Train and test one model, as `redditgnn train` does; return the finished run.

    `settings` may be overrides, such as `["dataset=cora", "model=gat", "sampler=full"]`. The row of
    the run is appended to runs.csv.

    Raises:
        UserError: nothing was run, nothing recorded.
        RunFailed: the run ended early; its row says why.
    """
    if not isinstance(settings, Settings):
        settings = compose_settings(settings)
    row, path = run(settings)
    return load_run(row.run_id, path.parent, device=settings.device)


def load_run(
    run_id: str,
    results_dir: str | Path = "results",
    *,
    data_dir: str | Path | None = None,
    device: str = "auto",
) -> Run:
    """Read the run `run_id`, a name below `results_dir/runs`.

    `data_dir` and `device` take the place of those that it was trained with.

    Raises:
        DataError: there is no such run, or its run.json cannot be read.
    """
    folder = Path(results_dir) / "runs" / run_id
    try:
        description = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        settings = Settings.from_dict(_with_current_targets(description["settings"]))
        fingerprint = str(description["identity"]["fingerprint"])
    except FileNotFoundError as error:
        raise DataError(f"{folder} has no run.json; see the column run_id of runs.csv") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'run.json'} cannot be read ({error})") from error
    settings = replace(settings, device=device, data_dir=str(data_dir or settings.data_dir))
    return Run(folder, settings, fingerprint)


def _with_current_targets(settings: dict[str, Any]) -> dict[str, Any]:
    """Let components that have moved be found where they are now, with keys added since."""
    components = {
        group: values | {"_target_": current_target(group, values["_target_"])}
        for group, values in settings["components"].items()
    }
    return settings | {"components": with_later_keys(components)}
