"""A finished run, read back from its folder: settings, weights, graph, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from redditgnn.config.changes import names_data, with_changes
from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, DataError
from redditgnn.evaluation.exact import EdgeAttention, EdgeListener, ExactInference
from redditgnn.evaluation.smoothing import (
    Scale,
    Smoother,
    Smoothing,
    choose_smoothing,
    list_choices,
)
from redditgnn.graph.data import GraphData, Split
from redditgnn.metric.base import BY_NAME, monitored_metric
from redditgnn.prediction.diagnosis import Tables, agreement, compare, diagnose
from redditgnn.prediction.export import write_export
from redditgnn.prediction.facts import fit_labels
from redditgnn.prediction.layers import hidden_layer, most_heads
from redditgnn.prediction.table import (
    Selection,
    Table,
    attention_table,
    prediction_table,
    selected_nodes,
)
from redditgnn.run.execution import run
from redditgnn.run.folders import folder_of, read_description
from redditgnn.run.trained_model import Description, TrainedModel


class Run(TrainedModel):
    """A run that wrote its best weights into `folder`, and what can be asked of it."""

    def on(
        self,
        overrides: Sequence[str],
        config_dir: Path | None = None,
        *,
        window: int | None = None,
    ) -> Run:
        """Return the same run on other data, which must have the same features.

        `overrides` are as on the command line: `["dataset=files", "dataset.edges=new.csv"]`.
        `window` is a line of ages.csv, counted from 1: answers are those at the end of that window
        of `protocol=temporal`. None: the last one.
        """
        others, inputs = names_data(overrides), self.settings.inputs
        if others and inputs.method is not None:
            raise DataError(
                f"{self.folder}: the model reads dataset.inputs={inputs.text}, and an embedding "
                "of another graph has other axes; train on that graph"
            )
        settings = with_changes(self.settings, overrides, config_dir)
        facts = self.facts if others else self._facts  # an older run reads them from its own graph
        description = Description(settings=settings, fingerprint=self._fingerprint, facts=facts)
        return Run(self.folder, description, takes_other_data=others, window=window)

    @property
    def epochs(self) -> pd.DataFrame:
        """The rows of epochs.csv: losses, scores and seconds of each epoch."""
        return pd.read_csv(self.folder / "epochs.csv")

    def predict(self) -> Int64[Tensor, " nodes"] | Bool[Tensor, "nodes classes"]:
        """Return the class of every node, or whether it has each of several labels."""
        return self._predicted(self.logits())

    def probabilities(self) -> Float[Tensor, "nodes classes"]:
        """Return the probability of each class at every node. Several labels are independent."""
        return self._probability(self.logits())

    def embeddings(self, layer: int | None = None) -> Float[Tensor, "nodes width"]:
        """Return the output of a layer at every node, on the CPU.

        Layers count from 1. The default is the last one that does not give the logits.
        """
        _, states = self._infer(hidden_layer(self.model, layer))
        assert states is not None
        return states

    def attention(self, layer: int) -> pd.DataFrame:
        """Return the attention coefficients of a layer: source, destination, a column a head.

        Every node also attends to itself. Layers count from 1.
        """
        heads, frames = most_heads(self.model, layer), list[pd.DataFrame]()

        def collect(edges: EdgeAttention) -> None:
            if edges.layer == layer - 1:
                frames.append(attention_table(self.graph, edges, heads).frame())

        self._infer(edge_listener=collect)
        return pd.concat(frames, ignore_index=True).dropna(axis=1, how="all")

    def predictions(self, split: Selection = "all") -> pd.DataFrame:
        """Return a row a node of `split`: its name, split, label, class and probabilities."""
        return self.answers(split).frame()

    def answers(
        self,
        split: Selection,
        *,
        embeddings: int | None = None,
        edge_listener: EdgeListener | None = None,
    ) -> Table:
        """Return what `redditgnn predict` writes, from one pass over the graph.

        `embeddings` adds the output of that layer. `edge_listener` hears the attention of every
        edge.
        """
        graph, node_ids = self.graph, selected_nodes(self.graph, split)
        if not len(node_ids):
            raise DataError(f"{graph.name} has no {split} nodes; choose another split, or all")
        layer = None if embeddings is None else hidden_layer(self.model, embeddings)
        plain = layer is None and edge_listener is None
        logits, states = (self.logits(), None) if plain else self._infer(layer, edge_listener)
        answers = self._predicted(logits), self._probability(logits)
        return prediction_table(graph, self.facts.class_names, node_ids, *answers, states)

    def export(self, folder: str | Path) -> Path:
        """Write a folder that plain PyG loads, and return its path.

        Raises:
            UserError: PyG's own layers cannot rebuild the model, or `folder` holds other files.
        """
        description = {
            "run_id": self.run_id,
            "model": self.settings.components["model"],
            "dataset": self.graph.name,
            "classes": self.facts.class_names,
            "features": self.facts.features,
        }
        write_export(Path(folder), self.model, self.graph, self.logits(), description)
        return Path(folder)

    def diagnose(self, split: Split = "test", *, beside: Run | None = None) -> Tables:
        """Return tables of where the model is right and wrong, as `redditgnn diagnose` prints.

        They are DataFrames by name: degree, homophily, distance, class, calibration, and where
        nodes have one label also confusion and mistakes. `beside` puts another run on the same
        data beside this one.

        Raises:
            DataError: no node of the split has a label, or the labels are of other classes.
            ConfigError: the runs are on different data.
        """
        if beside is not None:
            return self._compare(beside, split)
        graph = fit_labels(self.graph, self.facts)
        return diagnose(graph, self.facts.class_names, *self._answers, split)

    @property
    def monitored_metric(self) -> str:
        """The name of the metric that chose the best epoch."""
        return monitored_metric(self.settings.components["trainer"]["monitor"]).name

    def smooth(
        self,
        *,
        correct_alphas: Sequence[float],
        scales: Sequence[Scale],
        smooth_alphas: Sequence[float],
        num_steps: int,
        with_val_labels: bool,
    ) -> Smoothing:
        """Correct and smooth the probabilities with labels, as `redditgnn smooth` does.

        Raises:
            DataError: nodes may have several labels, or no training or validation node has one.
        """
        graph = fit_labels(self.graph, self.facts)
        _refuse_to_smooth(graph)
        with self._parts.in_effect():
            inference = ExactInference(
                graph, self._parts.device, chunk_edges=self._parts.trainer.eval_chunk_edges
            )
            smoother = Smoother(graph, self.probabilities(), inference, num_steps)
            grid = list_choices(correct_alphas, scales, smooth_alphas)
            metric = BY_NAME[self.monitored_metric]
            return choose_smoothing(smoother, graph, grid, metric, with_val_labels=with_val_labels)

    def _compare(self, other: Run, split: Split) -> Tables:
        if other.run_id == self.run_id:
            raise ConfigError(f"{self.run_id} cannot stand beside itself; name another run")
        if str(self.graph.fingerprint) != str(other.graph.fingerprint):
            raise ConfigError(
                f"{self.run_id} and {other.run_id} are on different data or splits "
                f"({self.graph.name}, {other.graph.name}); compare runs on the same"
            )
        names = self._names_beside(other)
        graph = fit_labels(self.graph, self.facts)
        both = agreement(graph, split, self.predict(), other.predict(), names)
        return {"agreement": both} | compare(self.diagnose(split), other.diagnose(split), names)

    def _names_beside(self, other: Run) -> tuple[str, str]:
        ours, theirs = (str(run.settings.choices["model"]) for run in (self, other))
        return (self.run_id, other.run_id) if ours == theirs else (ours, theirs)

    @property
    def _answers(self) -> tuple[Tensor, Tensor]:
        return self.predict(), self.probabilities()

    def _predicted(self, logits: Tensor) -> Tensor:
        return logits > 0 if self.facts.spec.multi_label else logits.argmax(1)

    def _probability(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.facts.spec.multi_label else torch.softmax(logits, 1)


def _refuse_to_smooth(graph: GraphData) -> None:
    if graph.y.dim() == 2:
        raise DataError(
            f"smoothing needs one label a node, and nodes of {graph.name} may have several; choose "
            "a run on another dataset"
        )
    for split in ("train", "val"):
        if not graph.mask(split).any():
            raise DataError(f"smoothing needs {split} nodes with labels, and {graph.name} has none")


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
    """Read the run `run_id`, a name below `results_dir/runs`, its first letters, or `latest`.

    `data_dir` and `device` take the place of those that it was trained with.

    Raises:
        DataError: there is no such run, or its run.json cannot be read.
    """
    folder = folder_of(run_id, Path(results_dir))
    description = read_description(folder)
    settings = description.settings
    settings = replace(settings, device=device, data_dir=str(data_dir or settings.data_dir))
    return Run(folder, replace(description, settings=settings))
