"""The description length of a graph by a partition: the shorter, the better the partition."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

from redditgnn.partition.blocks import Blocks

Numbers = Any  # a number, or an array of them
LEAST_VARIANCE = 1e-12  # of the logarithms of weights that are not all the same


def description_length(blocks: Blocks) -> float:
    """Return the nats that describe the edges by the communities, the weights, and the partition.

    Weights of edges between equal communities are equal in distribution (`weights_length`).
    """
    return edges_length(blocks) + weights_length(blocks)


def edges_length(blocks: Blocks) -> float:
    """Return the nats that describe the edges by the communities, and the communities themselves.

    The model is the microcanonical degree-corrected block model with uniform priors (Peixoto
    2017, arXiv:1610.02703). Its parts are edges given degrees and blocks, degrees given blocks,
    edges between blocks, and the partition. Every edge counts 1.
    """
    sizes, volume = blocks.sizes.astype(np.float64), blocks.volume(blocks.edges)
    num_nodes, num_edges, count = sizes.sum(), blocks.edges.sum() / 2, len(sizes)
    between = _log_factorial(blocks.edges[blocks.first < blocks.second]).sum()
    inside = blocks.inside(blocks.edges) / 2  # of 2e!! = 2^e e! a community
    between += (inside * np.log(2) + _log_factorial(inside)).sum()
    edges = _log_factorial(volume).sum() - between - blocks.degree_entropy
    degrees = _log_multisets(sizes, volume).sum()
    pairs = _log_multisets(count * (count + 1) / 2, num_edges)
    partition = _log_factorial(num_nodes) - _log_factorial(sizes).sum()
    partition += _log_choices(num_nodes - 1, count - 1) + np.log(num_nodes)
    return float(edges + degrees + pairs + partition)


def weights_length(blocks: Blocks) -> float:
    """Return the nats that describe the weights, whose logarithms are normal in each block pair.

    Mean and variance of a pair have the conjugate prior that weighs as much as one edge of the
    whole graph's mean and variance. Weights are covariates of the edges, as in Peixoto 2018
    (arXiv:1708.01432). Another unit of the weights adds the same to all partitions.
    """
    if blocks.logs is None:
        return 0.0
    once = blocks.first <= blocks.second
    ends = np.where(blocks.first == blocks.second, 2.0, 1.0)[once]
    number, total, squares = (
        values[once] / ends for values in (blocks.edges, blocks.logs.total, blocks.logs.squares)
    )
    if not len(number):
        return 0.0
    mean = total.sum() / number.sum()
    variance = squares.sum() / number.sum() - mean**2
    if variance < LEAST_VARIANCE:
        return 0.0
    own_mean = total / number
    scatter = np.maximum(0.0, squares - number * own_mean**2) / 2
    scatter += variance + number * (own_mean - mean) ** 2 / (2 * (1 + number))
    shape = 1 + number / 2
    likelihood = gammaln(shape) + np.log(variance) - shape * np.log(scatter)
    likelihood -= np.log(1 + number) / 2 + number / 2 * np.log(2 * np.pi)
    return float(-likelihood.sum())


def _log_factorial(number: Numbers) -> Any:
    """Return an array for an array, and a number for a number."""
    return gammaln(np.asarray(number) + 1.0)


def _log_choices(total: Numbers, chosen: Numbers) -> Any:
    """Return log of the binomial coefficient."""
    rest = total - chosen
    return _log_factorial(total) - _log_factorial(chosen) - _log_factorial(rest)


def _log_multisets(kinds: Numbers, drawn: Numbers) -> Any:
    """Return log of the number of multisets of `drawn` items of so many kinds."""
    return _log_choices(kinds + drawn - 1, drawn)
