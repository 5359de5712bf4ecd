"""Sums and means over the in-neighbours in a block, by `redditgnn.kernels.aggregate`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from redditgnn.graph.batch import Block
from redditgnn.graph.features import Rows, first_rows, to_dense
from redditgnn.kernels.aggregate import aggregate

States = Tensor | Rows


def own_rows(h: States, block: Block) -> Float[Tensor, "dst width"]:
    """Return the states of the destinations themselves: a step along no edge."""
    return to_dense(first_rows(h, block.num_dst))


def neighbor_mean(h: States, block: Block) -> Float[Tensor, "dst width"]:
    """Average the in-neighbours of each destination with the block's weights and scales."""
    if block.message_scale is None:
        return aggregate(h, block.csr, mean=True)
    return mean_of_sum(aggregate(h, block.csr, weight=block.message_scale), block)


def mean_of_sum(total: Float[Tensor, "dst width"], block: Block) -> Float[Tensor, "dst width"]:
    """Turn sums over in-neighbours, scaled by `block.message_scale`, into means."""
    return total / _column(block.mean_divisor, total)


def mean_with_self(h: States, block: Block) -> Float[Tensor, "dst width"]:
    """Average each destination and its in-neighbours."""
    total = neighbor_sum(h, block) + own_rows(h, block)
    return total / _column(block.degree[: block.num_dst] + 1, total)


def normalized_sum(
    h: States, block: Block, factor: int | float = 1.0
) -> Float[Tensor, "dst width"]:
    """Apply `factor` D^-1/2 (A + I) D^-1/2 (Kipf and Welling 2017, eq. 8).

    Here and below A holds the edge weights, and D their sums. As in PyG a self-loop weighs 1.
    """
    scale = (block.degree + 1.0).rsqrt()
    total, own = _scaled_sum(h, block, scale)
    return total.add_(own).mul_(_column(scale[: block.num_dst] * factor, total))


def sum_with_restart(
    h: States, h0: States, block: Block, alpha: int | float
) -> Float[Tensor, "dst width"]:
    """Mix `normalized_sum` with the share `alpha` of `h0`, the initial states of the walks.

    Eq. 4 of APPNP (Gasteiger et al. 2019), and the input of GCNII's map (Chen et al. 2020, eq. 5).
    """
    out = normalized_sum(h, block, 1 - alpha)
    return out.add_(own_rows(h0, block), alpha=alpha)


def normalized_neighbor_sum(h: States, block: Block) -> Float[Tensor, "dst width"]:
    """Apply D^-1/2 A D^-1/2. Nodes without in-neighbours count as zeros, as in PyG's `SIGN`."""
    scale = torch.where(block.degree > 0, block.degree, 1.0).rsqrt() * (block.degree > 0)
    total, _ = _scaled_sum(h, block, scale)
    return total * _column(scale[: block.num_dst], total)


def _scaled_sum(
    h: States, block: Block, scale: Float[Tensor, " src"]
) -> tuple[Float[Tensor, "dst width"], Float[Tensor, "dst width"]]:
    """Return the sums over in-neighbours, and the destinations' own rows, all rows times `scale`.

    Rows are scaled before a plain sum, which costs less than a weight per edge. Lazy rows cannot be
    scaled, so their edges are weighted.
    """
    if isinstance(h, Rows):
        weight = scale[block.col]
        weight = weight if block.message_scale is None else weight * block.message_scale
        total, own = aggregate(h, block.csr, weight=weight), own_rows(h, block)
        own = own * _column(scale[: block.num_dst], own)
    else:
        h = h * _column(scale, h)
        total = aggregate(h, block.csr, weight=block.message_scale)
        own = own_rows(h, block)
    if block.row_scale is not None:
        total = total * _column(block.row_scale, total)
    return total, own


def neighbor_sum(h: States, block: Block) -> Float[Tensor, "dst width"]:
    """Estimate the sum over all in-neighbours of each destination."""
    total = aggregate(h, block.csr, weight=block.message_scale)
    return total if block.row_scale is None else total * _column(block.row_scale, total)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, None]
