"""Fetch, check and cache a dataset, and print what is in it.

usage: redditgnn data [dataset=NAME] [dataset.KEY=VALUE ...] [data_dir=DIR]
                      [--anew] [--config-dir DIR] [--raw DIR]

The first call reads the original files, and downloads them if they are missing. Later calls and
all runs load the cache in data_dir/redditgnn-cache.

  --anew            convert the files again, even if none has changed
  --config-dir DIR  look for datasets of your own in DIR/dataset/*.yaml
  --raw DIR   also write the graph in Reddit's raw format to DIR/Reddit/raw, so that
              `redditgnn data dataset=reddit dataset.expected=null data_dir=DIR` reads it with
              Reddit's own loader. Without dataset.expected=null it is refused, as it is not Reddit.

examples:
  redditgnn data dataset=pubmed
  redditgnn data dataset=sbm dataset.scale=0.05 --raw synthetic
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from redditgnn.command.options import split_option
from redditgnn.config.compose import compose_experiment
from redditgnn.config.settings import Settings
from redditgnn.dataset.cache import conversion_facts
from redditgnn.dataset.reddit_raw import write_reddit_raw
from redditgnn.dataset.statistics import EdgeStatistics, constant_features, edge_statistics
from redditgnn.errors import UserError
from redditgnn.graph.data import SPLITS, GraphData
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.runtime.logs import log_to_stderr


def main(argv: Sequence[str]) -> int:
    """Build the dataset that `argv` chooses and print a table about it."""
    log_to_stderr()
    rest, raw_root = _split_folder_option([text for text in argv if text != "--anew"], "--raw")
    overrides, config_dir = _split_folder_option(rest, "--config-dir")
    settings, _ = compose_experiment(overrides, config_dir)
    start = time.perf_counter()
    with MemoryWatch(settings, torch.device("cpu")).during(Phase.LOADING):
        graph = _load(settings, anew="--anew" in argv)
    seconds = time.perf_counter() - start
    rows = {**_describe_graph(graph), "loaded in": f"{seconds:.1f} s"}
    if raw_root is not None:
        folder = raw_root / "Reddit" / "raw"
        write_reddit_raw(graph, folder)
        rows["raw files"] = str(folder)
    width = max(map(len, rows))
    print("\n".join(f"{key:<{width}}  {value}" for key, value in rows.items()))
    return 0


def _load(settings: Settings, *, anew: bool) -> GraphData:
    """Load the graph. `anew` converts it again unless this call converted it."""
    started_ns = time.time_ns()
    graph: GraphData = settings.build("dataset", Path(settings.data_dir))
    folder = graph.cache_dir
    if anew and folder is not None and (folder / "meta.json").stat().st_mtime_ns < started_ns:
        shutil.rmtree(folder)
        graph = settings.build("dataset", Path(settings.data_dir))
    return graph


def _split_folder_option(argv: Sequence[str], option: str) -> tuple[list[str], Path | None]:
    others = ("--raw", "--config-dir")
    overrides, value = split_option(argv, "data", option, others)
    if value is None:
        return overrides, None
    if not value or "=" in value:
        raise UserError(f"{option} needs a folder, e.g. {option} synthetic")
    return overrides, Path(value)


def _describe_graph(graph: GraphData) -> dict[str, str]:
    degree, edges = graph.degree, edge_statistics(graph)
    sizes = [int(graph.mask(split).sum()) for split in SPLITS]
    facts = conversion_facts(graph)
    return {
        "dataset": graph.name,
        "nodes": f"{graph.num_nodes:,}",
        "edges": f"{graph.num_edges:,} (each direction counts)",
        **_describe_conversion(facts, graph.num_edges),
        "weights": _describe_weights(graph, facts),
        "times": _describe_times(graph),
        "features": _describe_features(graph, facts),
        **_describe_classes(graph),
        "split": "{:,} train, {:,} val, {:,} test".format(*sizes),
        "degree": f"min {int(degree.min()):,}, median {int(degree.median()):,}, "
        f"max {int(degree.max()):,}; {edges.isolated:,} nodes have no edge",
        "homophily": _describe_homophily(graph, edges),
        "fingerprint": str(graph.fingerprint),
        "cache": _describe_cache(graph.cache_dir),
    }


def _describe_conversion(facts: Mapping[str, Any], num_edges: int) -> dict[str, str]:
    """Describe edges that were left out or added, and columns that are not used."""
    rows = {}
    if "self_loops" in facts:
        rows["left out"] = (
            f"{facts['repeated_edges']:,} repeated edges, {facts['self_loops']:,} self-loops"
        )
        if "unknown_ids" in facts:
            rows["left out"] += f", {facts['unknown_ids']:,} edges to unknown ids"
    if "edges_with_reverse" in facts:
        share = facts["edges_with_reverse"] / max(1, num_edges)
        rows["reverses"] = f"{share:.1%} of the edges have theirs"
        rows["reverses"] += f", {facts.get('added_reverses', 0):,} added"
    if columns := facts.get("columns_left_out"):
        rows["not used"] = f"{_some(columns)} of the nodes"
    return rows


def _describe_weights(graph: GraphData, facts: Mapping[str, Any]) -> str:
    weight, text = graph.edge_weight, "none"
    if weight is not None:
        low, high = (float(end) for end in weight.aminmax()) if len(weight) else (0.0, 0.0)
        text = f"one for each edge, {low:g} to {high:g}"
    unused = facts.get("edge_values_left_out")
    return f"{text}; {_some(unused)} not used" if unused else text


def _describe_times(graph: GraphData) -> str:
    """Describe the range of the times that nodes and edges have."""
    ranges = []
    for kind, times in (("nodes", graph.node_time), ("edges", graph.edge_time)):
        if times is not None and len(times):
            first, last = (end.item() for end in times.aminmax())
            ranges.append(f"{kind} from {first} to {last}, {len(times.unique()):,} different")
    return "; ".join(ranges) or "none"


def _describe_features(graph: GraphData, facts: Mapping[str, Any]) -> str:
    dtype = str(graph.x.dtype).removeprefix("torch.")
    if isinstance(graph.x, SparseFeatures):
        dtype += f", only the {graph.x.density:.2%} that are not zero"
    text = f"{graph.spec.num_features:,}, stored as {dtype}"
    constant = constant_features(graph).nonzero().flatten().tolist()
    if constant:
        names = graph.names.features or range(graph.spec.num_features)
        text += f"; {len(constant):,} constant: {_some([str(names[k]) for k in constant])}"
    if missing := facts.get("missing_features"):
        text += f"; {missing:,} blank cells were filled"
    return text


def _describe_classes(graph: GraphData) -> dict[str, str]:
    labelled = (graph.y != -1).any(1) if graph.spec.multi_label else graph.y >= 0
    several = ", several per node" if graph.spec.multi_label else ""
    return {
        "classes": f"{graph.num_classes:,}{several}",
        "no nodes": f"{_num_empty(graph, labelled):,} classes",
        "no training": f"{_num_empty(graph, labelled & graph.train_mask):,} classes",
        "unlabelled": f"{int((~labelled).sum()):,} nodes",
    }


def _describe_homophily(graph: GraphData, edges: EdgeStatistics) -> str:
    if edges.homophily is None:
        reason = "nodes have several labels" if graph.spec.multi_label else "no edge joins labels"
        return f"not defined: {reason}"
    adjusted = edges.adjusted_homophily
    text = "not defined for one class" if adjusted is None else f"{adjusted:.2f}"
    return f"{edges.homophily:.2f} of the edges join one class, adjusted {text}"


def _some(names: Sequence[str]) -> str:
    """List up to five names."""
    rest = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def _num_empty(graph: GraphData, nodes: torch.Tensor) -> int:
    """Count the classes that none of `nodes` has."""
    y = graph.y[nodes]
    sizes = y.sum(0) if y.dim() == 2 else y.bincount(minlength=graph.num_classes)
    return int((sizes == 0).sum())


def _describe_cache(folder: Path | None) -> str:
    if folder is None:
        return "none"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder} ({size / 2**20:,.1f} MiB)"
