"""A graph whose features are an embedding of its nodes, alone or beside the dataset's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float32
from torch import Tensor
from torch.nn import functional as F

from redditgnn.embedding.base import Normalize
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint, short_hash

LEAST_DEVIATION = 1e-9  # of a column that is scaled; a constant one becomes zeros


def with_inputs(graph: GraphData, table: Tensor, keeps_raw: bool, features: str) -> GraphData:
    """Return `graph` with the rows of `table` as features, after its own ones if `keeps_raw`.

    `features` is that part of the fingerprint, see `features_part`.
    """
    x = torch.cat([graph.rows().dense, table], 1) if keeps_raw else table
    return replace(
        graph,
        x=x,
        names=replace(graph.names, features=None),
        fingerprint=replace(graph.fingerprint, features=features),
    )


def features_part(
    raw: Fingerprint,
    raw_width: int,
    inputs: str,
    settings: Mapping[str, Any],
    reads_features: bool,
    reads_split: bool,
) -> str:
    """Return the part `features` of the fingerprint of a graph with these `inputs`.

    It hashes what the table depends on except the seed, since runs of several seeds are averaged.
    `raw_width` is the number of the dataset's own features, 0 if the inputs leave them out. The
    method may read them all the same (`reads_features`). An inductive table depends on the
    split (`reads_split`).
    """
    values = {key: value for key, value in settings.items() if key[0] != "_"}
    own = raw.features if raw_width or reads_features else ""
    split = [raw.split] if reads_split else []
    digest = short_hash(raw.edges, own, inputs, json.dumps(values, sort_keys=True), *split)
    return f"{raw_width + int(settings['dim'])}:{digest}-{inputs}"


def normalized(
    table: Float32[Tensor, "nodes dim"],
    how: Normalize | None,
    among: Bool[Tensor, " nodes"] | None = None,
) -> Float32[Tensor, "nodes dim"]:
    """Scale columns to mean 0 and deviation 1 over the nodes in `among`, or rows to length 1.

    None is all nodes.
    """
    if how == "rows":
        return F.normalize(table)
    if how == "columns":
        rows = table if among is None else table[among]
        deviation = rows.std(0, correction=0).clamp_(min=LEAST_DEVIATION)
        return (table - rows.mean(0)) / deviation
    return table
