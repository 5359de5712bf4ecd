"""Compute a vector for each node without its label, and store the table as .npy.

usage: redditgnn embed [dataset=NAME] [embedding.KEY=VALUE ...] [seed=N] [data_dir=DIR]
                       [protocol=inductive]
                       embedding=fastrp|deepwalk|node2vec|netmf|prone|dgi|grace|bgrl|graphsage
                       [--config-dir DIR] [--dry-run]

The table is stored beside the dataset's cache, by edges, settings and seed. A second call and runs
with dataset.inputs=NAME load it. A seed gives the same bytes again. dgi, grace, bgrl and graphsage
train a network, which also reads the features. Their bytes depend on the number of threads, too.
Labels are not read. Splits are read only with protocol=inductive (deepwalk, node2vec): then the
vectors of training nodes are learned first, from the edges among them.

  --config-dir DIR  look for options of your own in DIR/embedding/*.yaml, DIR/dataset/*.yaml
  --dry-run         say what would be computed, and how long it takes if it learns

examples:
  redditgnn embed dataset=cora embedding=fastrp --dry-run
  redditgnn embed dataset=cora embedding=deepwalk embedding.dim=64
  redditgnn train dataset=cora model=linear sampler=full dataset.inputs=deepwalk embedding.dim=64
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from numpy import ndarray

from redditgnn.command.doctor import align_columns
from redditgnn.command.options import CONFIG_DIR, existing_folder, split_option
from redditgnn.config.compose import compose_experiment
from redditgnn.config.settings import EMBEDDING
from redditgnn.embedding.base import Embedding
from redditgnn.embedding.table import EmbeddingTable
from redditgnn.errors import UserError
from redditgnn.graph.data import GraphData
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.parts import embedding_table
from redditgnn.runtime.logs import log_to_stderr
from redditgnn.runtime.measure import MIB, peak_rss_mib, reset_peak_rss

DRY_RUN = "--dry-run"


def main(argv: Sequence[str]) -> int:
    """Compute the embedding that `argv` chooses, and print a table about it."""
    log_to_stderr()
    rest = [text for text in argv if text != DRY_RUN]
    overrides, folder = split_option(rest, "embed", CONFIG_DIR)
    settings, _ = compose_experiment(overrides, existing_folder(folder))
    if settings.embedding is None:
        raise UserError("embedding must be chosen: add embedding=NAME, see 'redditgnn list'")
    embedding: Embedding = settings.build(EMBEDDING)
    watch = MemoryWatch(settings, torch.device("cpu"))
    with watch.during(Phase.LOADING):
        graph: GraphData = settings.build("dataset", Path(settings.data_dir))
        table = embedding_table(settings, embedding, graph)
        rows = _rows(graph, table, embedding)
        rows += _plan(table, embedding) if DRY_RUN in argv else _compute(table)
    print(align_columns(rows))
    return 0


def _rows(graph: GraphData, table: EmbeddingTable, embedding: Embedding) -> list[tuple[str, str]]:
    edges = table.edges
    directed = ", which were directed and are read both ways" if edges.was_directed else ""
    zeros = "" if embedding.reads_features else ", and get zeros"
    return [
        ("graph", f"{graph.name}, {edges.num_nodes:,} nodes, {edges.num_edges:,} edges{directed}"),
        ("isolated", f"{edges.num_isolated:,} nodes have no edges{zeros}"),
        ("method", table.method),
        ("dim", f"{embedding.dim:,}"),
    ]


def _plan(table: EmbeddingTable, embedding: Embedding) -> list[tuple[str, str]]:
    if table.load() is not None:
        return [("file", f"{table.path}, which is there")]
    seconds = table.estimate_s
    text = "not estimated" if seconds is None else f"about {seconds:,.0f} s"
    text += " at most: training may stop early" if embedding.may_stop_early else ""
    return [("CPU time", text), ("file", f"{table.path}, which is not there yet")]


def _compute(table: EmbeddingTable) -> list[tuple[str, str]]:
    reset_peak_rss()
    was_there = table.load() is not None
    start = time.process_time()
    values = table.load_or_compute()
    seconds = f"{time.process_time() - start:,.1f} s"
    return [
        ("CPU time", "none, the file was there" if was_there else seconds),
        ("peak memory", f"{peak_rss_mib():,.0f} MiB, with files mapped into memory"),
        ("file", _describe_file(table, values)),
    ]


def _describe_file(table: EmbeddingTable, values: ndarray) -> str:
    if table.path is None or not table.path.exists():
        return "none, there is no cache folder to write it to"
    return f"{table.path} ({values.nbytes / MIB:,.1f} MiB)"
