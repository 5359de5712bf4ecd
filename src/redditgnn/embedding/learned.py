"""Embeddings that a graph network learns without labels: from features and edges, by gradients.

The network is trained on batches of the project's samplers: the whole graph, or neighbourhoods of
`batch_size` nodes. Afterwards exact inference gives the rows, in chunks that fit the memory.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import TypedDict

import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Generator
from torch.optim import Adam, Optimizer
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.embedding.base import Embedding, EmbeddingSettings
from redditgnn.embedding.encoder import Activation, Conv, Encoder
from redditgnn.embedding.objective import Batches, Objective, minimize, take_step
from redditgnn.errors import require, require_not_negative, require_positive
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.model.stack import Norm
from redditgnn.runtime.progress import progress_bar
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor import NeighborSampler, format_fanouts

CPU = torch.device("cpu")
TRIAL_S = 1.0


class TrainingSettings(TypedDict):
    """The keys of the encoder and its training, which all learned embeddings have.

    `batch_size` and `num_neighbors` belong together. None trains on the whole graph at once.
    """

    conv: Conv
    hidden_channels: int
    num_layers: int
    norm: Norm | None
    activation: Activation
    lr: int | float
    weight_decay: int | float
    epochs: int
    patience: int | None
    batch_size: int | None
    num_neighbors: list[int] | None


class LearnedSettings(EmbeddingSettings, TrainingSettings):
    """All keys that learned embeddings share."""


class LearnedEmbedding(Embedding):
    """Trains an `Encoder` by an `Objective`, which a subclass gives."""

    reads_features = True
    ends_linear = False
    """The encoder's last layer has no activation."""

    def __init__(self, **settings: Unpack[LearnedSettings]) -> None:
        super().__init__(dim=settings["dim"], normalize=settings["normalize"])
        for key in ("hidden_channels", "num_layers", "epochs"):
            require_positive(f"embedding.{key}", settings[key])
        for name in ("lr", "weight_decay"):
            require_not_negative(f"embedding.{name}", settings[name])
        patience = settings["patience"]
        if patience is not None:
            require_positive("embedding.patience", patience)
        _check_batches(settings)
        self.settings, self.may_stop_early = settings, patience is not None

    @abstractmethod
    def make_objective(self, encoder: Encoder) -> Objective:
        """Build the loss, with the parameters that it has beside the encoder's."""

    def make_batches(self, graph: GraphData, seed: int) -> Batches:
        """Build what the loss reads: every node is once in an epoch."""
        return node_batches(graph, self.settings, seed)

    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        """Train, and return the encoder's output at every node from all edges."""
        parts = self._build(edges, seed)
        epochs = self.settings["epochs"]
        with progress_bar(epochs * len(parts.batches), 0) as bar:
            minimize(
                parts.objective,
                parts.optimizer,
                parts.batches,
                parts.generator,
                epochs=epochs,
                patience=self.settings["patience"],
                bar=bar,
            )
        inference = ExactInference(parts.graph, CPU, chunk_edges=None)
        return inference(parts.objective.encoder.eval()).contiguous().numpy()

    def estimate_s(self, edges: Adjacency, seed: int) -> float | None:
        """Estimate the CPU seconds of all epochs, from the first steps."""
        parts = self._build(edges, seed)
        parts.objective.train()
        endless = chain.from_iterable(repeat(parts.batches))
        step = partial(take_step, parts.objective, parts.optimizer, generator=parts.generator)
        step(batch=next(endless))  # compiles
        num_steps, begin = 0, time.process_time()
        while num_steps == 0 or time.process_time() - begin < TRIAL_S:
            step(batch=next(endless))
            num_steps += 1
        each = (time.process_time() - begin) / num_steps
        return each * self.settings["epochs"] * len(parts.batches)

    def _build(self, edges: Adjacency, seed: int) -> _Parts:
        graph = _unlabelled_graph(edges, self.dim)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = Encoder(
                graph.spec,
                ends_linear=self.ends_linear,
                conv=self.settings["conv"],
                hidden_channels=self.settings["hidden_channels"],
                num_layers=self.settings["num_layers"],
                norm=self.settings["norm"],
                activation=self.settings["activation"],
            )
            objective = self.make_objective(encoder)
        optimizer = Adam(
            [p for p in objective.parameters() if p.requires_grad],
            lr=self.settings["lr"],
            weight_decay=self.settings["weight_decay"],
        )
        generator = torch.Generator().manual_seed(seed)
        return _Parts(graph, objective, optimizer, self.make_batches(graph, seed), generator)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a training needs."""

    graph: GraphData
    objective: Objective
    optimizer: Optimizer
    batches: Batches
    generator: Generator


def node_batches(
    graph: GraphData, settings: TrainingSettings, seed: int
) -> FullSampler | NeighborSampler:
    """Return the sampler over all nodes that `settings` choose."""
    num_layers, size = settings["num_layers"], settings["batch_size"]
    if size is None or settings["num_neighbors"] is None:
        return FullSampler(graph, num_layers=num_layers, device=CPU, seed=seed, cuda_graph=False)
    return NeighborSampler(
        graph,
        num_layers=num_layers,
        device=CPU,
        seed=seed,
        num_neighbors=settings["num_neighbors"],
        batch_size=size,
        feature_tier="auto",
        pack_gib=None,
    )


def _check_batches(settings: TrainingSettings) -> None:
    size, num_neighbors = settings["batch_size"], settings["num_neighbors"]
    require(
        (size is None) == (num_neighbors is None),
        "embedding.batch_size and embedding.num_neighbors must be set both or not at all, got "
        f"{size} and {num_neighbors}; try embedding.batch_size=512 'embedding.num_neighbors=[10]'",
    )
    if size is None or num_neighbors is None:
        return
    require_positive("embedding.batch_size", size)
    num_layers = settings["num_layers"]
    require(
        len(num_neighbors) == num_layers and all(n > 0 or n == -1 for n in num_neighbors),
        "embedding.num_neighbors must have one entry for each of embedding.num_layers="
        f"{num_layers}, positive or -1 for all neighbours, got {num_neighbors}; try "
        f"'embedding.num_neighbors={format_fanouts([10], num_layers)}'",
    )


def _unlabelled_graph(edges: Adjacency, dim: int) -> GraphData:
    """Return a graph without labels for samplers and inference. They take all nodes as targets."""
    assert edges.features is not None
    require(
        edges.features.shape[1] > 0,
        "this embedding learns from the features of the nodes, and the dataset has none; use "
        "embedding=deepwalk or embedding=fastrp",
    )
    everywhere = torch.ones(edges.num_nodes, dtype=torch.bool)
    return GraphData(
        name="unlabelled",
        x=edges.features,
        rowptr=torch.from_numpy(edges.rowptr),
        col=torch.from_numpy(edges.col),
        y=torch.zeros(edges.num_nodes, dtype=torch.int64),
        num_classes=dim,
        train_mask=everywhere,
        val_mask=~everywhere,
        test_mask=~everywhere,
        fingerprint=Fingerprint(),
    )
