"""The fingerprint of a converted graph, from the digests of its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redditgnn.dataset.base import MASKS, ConvertedGraph
from redditgnn.dataset.feature_storage import feature_digest, features_of
from redditgnn.graph.data import TIMES
from redditgnn.graph.fingerprint import Fingerprint, short_hash


def fingerprint_of(graph: ConvertedGraph, facts: Mapping[str, Mapping[str, Any]]) -> Fingerprint:
    """Return the fingerprint of `graph`. `facts` has the `digest` of each of its arrays."""

    def describe(size: object, *names: str) -> str:
        return f"{size}:{short_hash(*(facts[name]['digest'] for name in names))}"

    arrays, x = graph.arrays, features_of(graph.arrays)
    of_features = facts["x"]["digest"] if "x" in facts else feature_digest(x)
    weights = ("edge_weight",) if "edge_weight" in arrays else ()
    times = [name for name in TIMES if name in arrays]
    return Fingerprint(
        edges=describe(len(arrays["col"]), "rowptr", "col", *weights),
        features=f"{x.shape[1]}:{short_hash(of_features)}",
        labels=describe(graph.num_classes, "y"),
        split=describe("/".join(str(arrays[mask].sum()) for mask in MASKS), *MASKS),
        times=describe("/".join(str(len(arrays[name])) for name in times), *times) if times else "",
    )
