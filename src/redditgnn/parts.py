"""The parts of a run, assembled from its settings in one place.

Training, dry runs, estimates, `sampler.batch_size=auto`, sweeps and benchmarks build from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from redditgnn.config.settings import EMBEDDING, Settings
from redditgnn.distributed.batch_norm import synchronize_norms
from redditgnn.distributed.halo import HaloSettings
from redditgnn.distributed.stages import Stages
from redditgnn.distributed.team import Alone, Team
from redditgnn.embedding.base import INDUCTIVE, Embedding
from redditgnn.embedding.inputs import features_part, normalized, with_inputs
from redditgnn.embedding.table import EmbeddingTable
from redditgnn.errors import require
from redditgnn.evaluation.exact import precomputed
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.graph.temporal import TemporalSplit
from redditgnn.kernels.backend import use_backend
from redditgnn.metric.class_weight import class_weights
from redditgnn.model.base import Backbone
from redditgnn.runtime.hardware import resolve_device
from redditgnn.sampler.base import GivesChunks, Sampler, refuse_missing_edges, refuse_weights
from redditgnn.sampler.part import PartSampler, part_data
from redditgnn.trainer.class_weight import check_class_weight
from redditgnn.trainer.loop import Trainer


class Parts:
    """The parts of a run, each built when it is first asked for.

    Attributes:
        settings: The settings of the run.
        device: The device that it computes on.
    """

    def __init__(
        self, settings: Settings, *, graph: GraphData | None = None, team: Team | None = None
    ) -> None:
        """Take `graph` instead of loading the dataset, if there is one.

        `team`: the processes that train together, None for this one alone.
        """
        self.settings, self.device = settings, resolve_device(settings.device)
        self._team = team or Alone()
        if graph is not None:
            self.graph = graph

    @cached_property
    def trainer(self) -> Trainer:
        trainer: Trainer = self.settings.build("trainer", device=self.device)
        return trainer

    @cached_property
    def graph(self) -> GraphData:
        """The dataset, with the inputs that the settings choose: the graph that is evaluated."""
        graph: GraphData = self.settings.build("dataset", Path(self.settings.data_dir))
        graph = graph_with_inputs(self.settings, graph)
        self.temporal = _temporal_split(self.settings, graph)
        return graph if self.temporal is None else self.temporal.graph

    @cached_property
    def temporal(self) -> TemporalSplit | None:
        """What `protocol=temporal` cuts the graph into, None under another protocol.

        A dataset that these parts load is cut when it is loaded, and not again.
        """
        return _temporal_split(self.settings, self.graph)

    @cached_property
    def train_graph(self) -> GraphData:
        """The graph that training sees, as the protocol says.

        Raises:
            ConfigError: no node has a label.
        """
        require(
            bool(self.graph.train_mask.any()),
            f"{self.graph.name} has no labels, so nothing can be trained on it; 'redditgnn predict "
            "RUN_ID' says what a trained model makes of it",
        )
        if self.temporal is not None:
            return self.temporal.train_graph
        inductive = self.settings.protocol == INDUCTIVE
        return self.graph.subgraph(self.graph.train_mask) if inductive else self.graph

    @cached_property
    def model(self) -> Backbone:
        """The model, on the device; drawn from torch's global generator.

        Raises:
            ConfigError: it would ignore the graph's edge weights.
        """
        model: Backbone = self.settings.build("model", self.train_graph.spec).to(self.device)
        self._refuse_ignored_weights(model.takes_edge_weight, "model")
        if self.settings.parallel.is_partition:
            synchronize_norms(model, self._team)
        model.recompute = self.settings.components["trainer"].get("recompute") is not None
        return model

    @cached_property
    def sampler(self) -> Sampler:
        """The sampler over `train_graph`.

        Raises:
            ConfigError: the model would compute wrong numbers on its batches, or they would have no
                edge weights.
        """
        facts: dict[str, Any] = {
            "num_layers": self.model.num_layers,
            "device": self.device,
            "seed": self.settings.seed,
        }
        sampler: Sampler
        if self.settings.parallel.is_partition:
            sampler = self._part_sampler(facts)
        else:
            sampler = self.settings.build(
                "sampler", self.train_graph, **facts, **self._sampler_changes
            )
        if self.model.whole_graph_only:
            refuse_missing_edges(sampler, self.settings.choices["sampler"])
        gives_weights = getattr(sampler, "gives_edge_weight", False)
        self._refuse_ignored_weights(gives_weights or not self.model.reads_edges, "sampler")
        if self.stages is not None and isinstance(sampler, GivesChunks):
            sampler.stored_layers = self.stages.stored_layers(self._team.rank)
        return sampler

    def _part_sampler(self, facts: dict[str, Any]) -> PartSampler:
        parallel, graph = self.settings.parallel, self.train_graph
        stored = self.model.propagation is None
        data = part_data(graph, self._team, parallel.partition, self.settings.seed, stored=stored)
        return PartSampler(graph, data, self._team, HaloSettings(**parallel.halo), **facts)

    def _refuse_ignored_weights(self, uses_them: bool, group: str) -> None:
        if not uses_them:
            refuse_weights(self.graph, group, self.settings.choices[group])

    @cached_property
    def stages(self) -> Stages | None:
        """How the processes cut the model, None where each has all of it."""
        parallel = self.settings.parallel
        if not parallel.is_pipeline or self._team.size == 1:
            return None
        return Stages(self.model.num_layers, self._team.size, parallel.schedule)

    @cached_property
    def optimizer(self) -> Optimizer:
        optimizer: Optimizer = self.settings.build("optimizer", self.model)
        return optimizer

    @cached_property
    def scheduler(self) -> LRScheduler:
        scheduler: LRScheduler = self.settings.build("scheduler", self.optimizer)
        return scheduler

    @contextmanager
    def in_effect(self) -> Iterator[None]:
        """Set what the settings ask of the whole process, and restore it in the end."""
        on_cuda = self.device.type == "cuda"
        with (
            torch.cuda.device(self.device) if on_cuda else nullcontext(),
            use_backend(self.settings.kernels.backend, self.device),
            self.trainer.in_effect(),
        ):
            yield

    @cached_property
    def class_weight(self) -> Tensor | None:
        """The factor of each class in the loss, on the device. None if all count alike.

        Raises:
            ConfigError: `trainer.class_weight` does not fit the labels.
        """
        weight, graph = self.trainer.class_weight, self.train_graph
        if weight is None:
            return None
        y = graph.y[graph.train_mask]
        check_class_weight(weight, y, graph)
        return class_weights(y, graph.num_classes, weight).to(self.device)

    @property
    def components(self) -> dict[str, dict[str, Any]]:
        """The components as they are used: keys of `sampler` that the model overrules are changed.

        A model that reads no edges while it trains needs no neighbours.
        """
        components = self.settings.components
        return components | {"sampler": components["sampler"] | self._sampler_changes}

    @property
    def _sampler_changes(self) -> dict[str, Any]:
        if self.model.reads_edges or "num_neighbors" not in self.settings.components["sampler"]:
            return {}
        return {"num_neighbors": [1]}  # the fewest that every sampler can draw

    def anew(self, settings: Settings) -> Parts:
        """Return parts of `settings` on the same data, with the same trainer and a new model.

        `settings` must not differ in dataset, protocol, device and trainer.
        """
        parts = Parts(settings, graph=self.graph)
        parts.trainer, parts.train_graph = self.trainer, self.train_graph
        return parts

    def updated(self, split: TemporalSplit) -> Parts:
        """Return parts that train a new model on the past that `split` has of the same data."""
        parts = Parts(self.settings, graph=split.graph)
        parts.trainer, parts.temporal = self.trainer, split
        return parts

    def with_precomputed_features(self) -> Parts:
        """Return parts with the same model on graphs that hold the features which it reads.

        Most models read the features of the dataset: then these are the parts themselves. Under
        `protocol=temporal` only those of training are made here: each window has others.
        """
        if self.model.propagation is None:
            return self
        parts = Parts(self.settings, graph=self.graph, team=self._team)
        parts.trainer, parts.model = self.trainer, self.model
        parts.train_graph = self.precomputed(self.train_graph)
        if self.train_graph is self.graph:
            parts.graph = parts.train_graph
        elif self.temporal is None:
            parts.graph = self.precomputed(self.graph)
        return parts

    def precomputed(self, graph: GraphData) -> GraphData:
        """Return `graph` with the features that the model makes of it once, before training."""
        return precomputed(self.model, graph, self.device, self.trainer.eval_chunk_edges)


def _temporal_split(settings: Settings, graph: GraphData) -> TemporalSplit | None:
    """Return what `protocol=temporal` cuts `graph` into, None under another protocol.

    Raises:
        UserError: the graph has no times, or a part would be empty.
    """
    keys = settings.temporal
    return None if keys is None else TemporalSplit(graph, **keys.of_the_split)


def graph_with_inputs(settings: Settings, graph: GraphData) -> GraphData:
    """Return `graph` with the features that `dataset.inputs` chooses, computed where necessary.

    Raises:
        UserError: the embedding cannot do this graph, or not under this protocol.
    """
    if settings.inputs.method is None:
        return graph
    embedding: Embedding = settings.build(EMBEDDING)
    rows = torch.from_numpy(embedding_table(settings, embedding, graph).load_or_compute())
    features = fingerprint_with_inputs(settings, graph).features
    among = graph.train_mask if settings.protocol == INDUCTIVE else None
    table = normalized(rows, embedding.normalize, among)
    return with_inputs(graph, table, settings.inputs.raw, features)


def embedding_table(settings: Settings, embedding: Embedding, graph: GraphData) -> EmbeddingTable:
    """Return the table of `embedding`, which `settings` built, for the nodes of `graph`.

    Raises:
        ConfigError: the method does not know the protocol.
    """
    method, keys, protocol = settings.choices[EMBEDDING], settings.embedding, settings.protocol
    assert method is not None
    assert keys is not None
    return EmbeddingTable(graph, method, embedding, keys, settings.seed, protocol)


def fingerprint_with_inputs(settings: Settings, graph: GraphData) -> Fingerprint:
    """Return the fingerprint of `graph`, as the dataset gives it, with the chosen inputs."""
    inputs = settings.inputs
    if inputs.method is None:
        return graph.fingerprint
    assert settings.embedding is not None
    width = graph.x.shape[1] if inputs.raw else 0
    reads = {
        "reads_features": settings.build(EMBEDDING).reads_features,
        "reads_split": settings.protocol == INDUCTIVE,
    }
    part = features_part(graph.fingerprint, width, inputs.text, settings.embedding, **reads)
    return replace(graph.fingerprint, features=part)
