"""Batches with other features or fewer edges: what self-supervised losses compare a batch with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor

from redditgnn.errors import require, require_probability
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import pointers, row_of_edge
from redditgnn.graph.features import Rows

Shares = Sequence[int | float]


@dataclass(frozen=True, slots=True)
class TwoViews:
    """Gives two views of a batch. Each leaves out its share of the edges and of the features.

    Raises:
        ConfigError: the shares are no two probabilities.
    """

    drop_edges: Shares
    drop_features: Shares

    def __post_init__(self) -> None:
        _check_shares("embedding.drop_edges", self.drop_edges)
        _check_shares("embedding.drop_features", self.drop_features)

    def __call__(self, batch: Batch, generator: Generator) -> list[Batch]:
        return [
            mask_columns(drop_edges(batch, edges, generator), features, generator)
            for edges, features in zip(self.drop_edges, self.drop_features, strict=True)
        ]


def _check_shares(key: str, shares: Shares) -> None:
    """Refuse what is no pair of shares, one for each of two views."""
    require(
        len(shares) == 2,
        f"{key} must be two numbers, one for each view, got {list(shares)}; try '[0.2,0.4]'",
    )
    for share in shares:
        require_probability(key, share)


def shuffle_features(batch: Batch, generator: Generator) -> Batch:
    """Give each node of the batch the features of a random one. Edges stay."""
    rows = batch.features
    order = torch.randperm(len(rows), generator=generator)
    node_ids = order if rows.node_ids is None else rows.node_ids[order]
    return replace(batch, features=Rows(rows.table, node_ids))


def mask_columns(batch: Batch, share: int | float, generator: Generator) -> Batch:
    """Set each feature to zero at all nodes with probability `share`."""
    if share == 0:
        return batch
    rows = batch.features
    keep = (torch.rand(rows.shape[1], generator=generator) >= share).float()
    if rows.sparse is None:
        return replace(batch, features=Rows(rows.dense * keep))
    values = rows.sparse.values * keep.index_select(0, rows.sparse.csr.col)
    return replace(batch, features=Rows(rows.sparse.with_values(values)))


def drop_edges(batch: Batch, share: int | float, generator: Generator) -> Batch:
    """Drop each edge with probability `share`."""
    if share == 0:
        return batch
    return keep_edges(batch, torch.rand(len(batch.col), generator=generator) >= share)


def drop_pairs(
    batch: Batch, first: Int64[Tensor, " pairs"], second: Int64[Tensor, " pairs"]
) -> Batch:
    """Drop the edges between the two nodes of each pair, which are positions in the batch."""
    size = len(batch.node_ids)
    pairs = torch.cat([first * size + second, second * size + first])
    edges = row_of_edge(batch.rowptr, len(batch.col)) * size + batch.col
    return keep_edges(batch, ~torch.isin(edges, pairs))


def keep_edges(batch: Batch, keep: Bool[Tensor, " edges"]) -> Batch:
    """Return the batch with the marked edges alone.

    In a batch of the whole graph the degrees are those of what is left. In a sampled batch they
    stay those of the graph: it is as if fewer neighbours had been drawn.
    """
    rows = row_of_edge(batch.rowptr, len(batch.col))[keep]
    counts = torch.bincount(rows, minlength=len(batch.rowptr) - 1)
    degree, row_scale = counts, None
    if batch.row_scale is not None:
        degree = batch.degree
        row_scale = degree[: len(counts)] / counts.clamp(min=1)
    return replace(
        batch,
        rowptr=pointers(counts),
        col=batch.col[keep],
        degree=degree,
        row_scale=row_scale,
        num_edges=None,
        _blocks={},
    )
