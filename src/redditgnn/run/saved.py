"""A finished run, read back from its folder: settings, weights, graph, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from redditgnn.config.changes import names_data, with_changes
from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.errors import DataError
from redditgnn.evaluation.exact import EdgeAttention, EdgeListener, ExactInference
from redditgnn.graph.data import GraphData, Split
from redditgnn.model.base import Backbone
from redditgnn.parts import Parts
from redditgnn.prediction.diagnosis import Tables, diagnose
from redditgnn.prediction.export import write_export
from redditgnn.prediction.facts import TrainingFacts, fit_features
from redditgnn.prediction.layers import HiddenStates, hidden_layer, most_heads
from redditgnn.prediction.table import (
    Selection,
    Table,
    attention_table,
    prediction_table,
    selected_nodes,
)
from redditgnn.record import checkpoint
from redditgnn.run.execution import run
from redditgnn.run.folders import folder_of, read_description


class Run:
    """A run that wrote its best weights into `folder`.

    Attributes:
        folder: `results_dir/runs/RUN_ID`.
        settings: The settings that it was run with.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        fingerprint: str,
        facts: TrainingFacts | None = None,
        *,
        takes_other_data: bool = False,
    ) -> None:
        """Take the `facts` that run.json has; older runs have none.

        `takes_other_data`: `settings` name data that the run need not have been trained on.
        """
        self.folder, self.settings = folder, settings
        self._fingerprint, self._facts = fingerprint, facts
        self._takes_other_data = takes_other_data

    @property
    def run_id(self) -> str:
        return self.folder.name

    @cached_property
    def facts(self) -> TrainingFacts:
        """Sizes and names of the graph that the model was trained on."""
        if self._facts is None:
            return TrainingFacts.of(Parts(self.settings, graph=self.graph).train_graph)
        return self._facts

    @cached_property
    def graph(self) -> GraphData:
        """The dataset, which must be what the run was trained on, unless other data were named.

        Raises:
            DataError: it has changed since, or other data have other features.
        """
        graph = Parts(self.settings).graph
        now = str(graph.fingerprint.of_a_run(self.settings.protocol))
        if self._takes_other_data and now != self._fingerprint:
            return fit_features(graph, self.facts)
        if now != self._fingerprint:
            raise DataError(
                f"{self.folder}: the run was trained on other data than data_dir="
                f"{self.settings.data_dir} holds now ({self._fingerprint}; now {now}); name the "
                "folder that it was trained on, or train again"
            )
        return graph

    @property
    def is_on_own_graph(self) -> bool:
        """Whether `graph` is what the run was trained on."""
        return str(self.graph.fingerprint.of_a_run(self.settings.protocol)) == self._fingerprint

    def on(self, overrides: Sequence[str], config_dir: Path | None = None) -> Run:
        """Return the same model on other data, which must have the same features.

        `overrides` are as on the command line: `["dataset=files", "dataset.edges=new.csv"]`.
        """
        others, inputs = names_data(overrides), self.settings.inputs
        if others and inputs.method is not None:
            raise DataError(
                f"{self.folder}: the model reads dataset.inputs={inputs.text}, and an embedding "
                "of another graph has other axes; train on that graph"
            )
        settings = with_changes(self.settings, overrides, config_dir)
        facts = self.facts if others else self._facts  # an older run reads them from its own graph
        return Run(self.folder, settings, self._fingerprint, facts, takes_other_data=others)

    @cached_property
    def _parts(self) -> Parts:
        parts = Parts(self.settings, graph=self.graph)
        parts.train_graph = parts.graph  # nothing is trained
        return parts

    @cached_property
    def model(self) -> Backbone:
        """The model with the weights of its best epoch, in evaluation mode.

        Raises:
            DataError: the weights are missing or damaged, or of another model.
        """
        path = self.folder / "best.pt"
        if not path.exists():
            raise DataError(f"{path} is missing: the run ended before its first evaluation")
        _ = self.graph  # refuses other data
        model: Backbone = self.settings.build("model", self.facts.spec)
        try:
            model.load_state_dict(checkpoint.load(path))
        except RuntimeError as error:
            raise DataError(
                f"{path} does not fit model={self.settings.choices['model']}, whose code has "
                "changed since; use the version of the code that the column commit names"
            ) from error
        return model.to(self._parts.device).eval()

    @property
    def epochs(self) -> pd.DataFrame:
        """The rows of epochs.csv: losses, scores and seconds of each epoch."""
        return pd.read_csv(self.folder / "epochs.csv")

    def logits(self) -> Float[Tensor, "nodes classes"]:
        """Compute the logits of all nodes from all edges, on the CPU."""
        return self._infer()[0]

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
        """Compute what `redditgnn predict` writes, in one pass over the graph.

        `embeddings` adds the output of that layer. `edge_listener` hears the attention of every
        edge.
        """
        graph, node_ids = self.graph, selected_nodes(self.graph, split)
        if not len(node_ids):
            raise DataError(f"{graph.name} has no {split} nodes; choose another split, or all")
        layer = None if embeddings is None else hidden_layer(self.model, embeddings)
        logits, states = self._infer(layer, edge_listener)
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

    def diagnose(self, split: Split = "test") -> Tables:
        """Return tables of where the model is right and wrong, as `redditgnn diagnose` prints.

        They are DataFrames by name: degree, homophily, distance, class, calibration, and where
        nodes have one label also confusion and mistakes.

        Raises:
            DataError: no node of the split has a label, or the labels are of other classes.
        """
        graph, classes = self.graph, self.facts.class_names
        own = TrainingFacts.of(graph).class_names
        if own != classes:
            raise DataError(
                f"{graph.name} has the classes {', '.join(own)}, and the model was trained on "
                f"{', '.join(classes)}; choose a graph with the same classes"
            )
        logits = self.logits()
        answers = self._predicted(logits), self._probability(logits)
        return diagnose(graph, classes, *answers, split)

    def _infer(
        self, layer: int | None = None, edge_listener: EdgeListener | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and the states after `layer`, from one pass over the graph."""
        model, trainer = self.model, self._parts.trainer
        states = HiddenStates(layer)
        with self._parts.in_effect():
            parts = self._parts.with_precomputed_features()
            inference = ExactInference(
                parts.graph,
                parts.device,
                chunk_edges=trainer.eval_chunk_edges,
                precision=trainer.precision,
            )
            edges = nullcontext() if edge_listener is None else inference.edge_hook(edge_listener)
            with edges, inference.layer_hook(states):
                return inference(model), states.value

    def _predicted(self, logits: Tensor) -> Tensor:
        return logits > 0 if self.facts.spec.multi_label else logits.argmax(1)

    def _probability(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.facts.spec.multi_label else torch.softmax(logits, 1)


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
    settings, fingerprint, facts = read_description(folder)
    settings = replace(settings, device=device, data_dir=str(data_dir or settings.data_dir))
    return Run(folder, settings, fingerprint, facts)
