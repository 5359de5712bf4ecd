"""How alike two partitions of the same nodes are, as scikit-learn measures it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from scipy.special import gammaln


class Agreement(NamedTuple):
    """Measures of a partition against a reference. 1: the same up to names.

    AMI and ARI are 0 on average for a random partition. NMI is not, if there are many parts.
    Homogeneity: a part has one label. Completeness: a label is in one part. The V-measure is their
    harmonic mean, which is the NMI.
    """

    ami: float
    nmi: float
    ari: float
    homogeneity: float
    completeness: float
    v_measure: float


class Contingency(NamedTuple):
    """Numbers of nodes: those in part `i` and class `j` where there are any, and of each."""

    counts: Integer[ndarray, " cells"]
    part: Integer[ndarray, " cells"]
    label: Integer[ndarray, " cells"]
    part_sizes: Integer[ndarray, " parts"]
    label_sizes: Integer[ndarray, " labels"]


def compare(parts: Integer[ndarray, " nodes"], labels: Integer[ndarray, " nodes"]) -> Agreement:
    """Compare `parts` with the reference `labels`. The numbers of both are any integers."""
    table = contingency(parts, labels)
    mutual, part_entropy, label_entropy = _information(table)
    homogeneity = mutual / label_entropy if label_entropy else 1.0
    completeness = mutual / part_entropy if part_entropy else 1.0
    both = homogeneity + completeness
    v_measure = 2 * homogeneity * completeness / both if both else 0.0
    return Agreement(
        ami=_adjusted_mutual_information(table),
        nmi=v_measure,
        ari=_adjusted_rand(table),
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=v_measure,
    )


def adjusted_mutual_information(
    parts: Integer[ndarray, " nodes"], others: Integer[ndarray, " nodes"]
) -> float:
    """Return the mutual information beyond chance (Vinh et al. 2010), over the mean entropy."""
    return _adjusted_mutual_information(contingency(parts, others))


def contingency(
    parts: Integer[ndarray, " nodes"], labels: Integer[ndarray, " nodes"]
) -> Contingency:
    """Count the nodes by part and label."""
    _, part, part_sizes = np.unique(parts, return_inverse=True, return_counts=True)
    _, label, label_sizes = np.unique(labels, return_inverse=True, return_counts=True)
    width = max(1, len(label_sizes))
    cells, counts = np.unique(part.astype(np.int64) * width + label, return_counts=True)
    return Contingency(counts, cells // width, cells % width, part_sizes, label_sizes)


def _adjusted_mutual_information(table: Contingency) -> float:
    num_parts, num_labels = len(table.part_sizes), len(table.label_sizes)
    if num_parts == num_labels and num_parts in (0, 1, table.counts.sum()):
        return 1.0  # nothing, one part, or each node alone, on both sides
    mutual, part_entropy, label_entropy = _information(table)
    expected = _expected_mutual_information(table.part_sizes, table.label_sizes)
    span = (part_entropy + label_entropy) / 2 - expected
    least = np.finfo(np.float64).eps
    return float((mutual - expected) / (min(span, -least) if span < 0 else max(span, least)))


def _information(table: Contingency) -> tuple[float, float, float]:
    """Return the mutual information, and the entropies of parts and of labels, in nats."""
    total = table.counts.sum()
    if total == 0:
        return 0.0, 0.0, 0.0
    expected = table.part_sizes[table.part] / total * table.label_sizes[table.label]
    mutual = float((table.counts / total * np.log(table.counts / expected)).sum())
    return max(0.0, mutual), _entropy(table.part_sizes), _entropy(table.label_sizes)


def _entropy(sizes: Integer[ndarray, " parts"]) -> float:
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum()) if len(sizes) > 1 else 0.0


def _expected_mutual_information(
    part_sizes: Integer[ndarray, " parts"], label_sizes: Integer[ndarray, " labels"]
) -> float:
    """Return the mean mutual information of random partitions with parts of these sizes.

    The overlap of two parts is hypergeometric. Parts of equal size are counted once.
    """
    total = int(part_sizes.sum())
    log_factorial = gammaln(np.arange(total + 1) + 1.0)
    sizes, repeats = np.unique(label_sizes, return_counts=True)
    expected = 0.0
    for size, number in zip(*np.unique(part_sizes, return_counts=True), strict=True):
        least = np.maximum(1, size + sizes - total)
        lengths = np.minimum(size, sizes) - least + 1
        other = np.repeat(sizes, lengths)
        overlap = np.arange(len(other)) + np.repeat(least - np.cumsum(lengths) + lengths, lengths)
        log_chance = log_factorial[size] + log_factorial[other] - log_factorial[total]
        log_chance += log_factorial[total - size] + log_factorial[total - other]
        log_chance -= log_factorial[overlap] + log_factorial[total - size - other + overlap]
        log_chance -= log_factorial[size - overlap] + log_factorial[other - overlap]
        information = overlap / total * np.log(total * overlap / (size * other))
        weight = number * np.repeat(repeats, lengths)
        expected += float((weight * information * np.exp(log_chance)).sum())
    return expected


def _adjusted_rand(table: Contingency) -> float:
    """Return the share of pairs of nodes on which both agree, adjusted (Hubert, Arabie 1985)."""
    total = float(table.counts.sum())
    together = float(np.square(table.counts.astype(np.float64)).sum()) - total
    in_part = float(np.square(table.part_sizes.astype(np.float64)).sum()) - total
    in_label = float(np.square(table.label_sizes.astype(np.float64)).sum()) - total
    expected = in_part * in_label / (total * (total - 1)) if total > 1 else 0.0
    largest = (in_part + in_label) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)
