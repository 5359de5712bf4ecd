"""Fetch, check and cache a dataset, and print what is in it.

usage: redditgnn data [dataset=NAME] [dataset.KEY=VALUE ...] [data_dir=DIR] [--raw DIR]

The first call reads the original files, and downloads them if they are missing. Later calls and
all runs load the cache in data_dir/redditgnn-cache.

  --raw DIR   also write the graph in Reddit's raw format to DIR/Reddit/raw, so that
              `redditgnn data dataset=reddit dataset.expected=null data_dir=DIR` reads it with
              Reddit's own loader. Without dataset.expected=null it is refused, as it is not Reddit.

examples:
  redditgnn data dataset=pubmed
  redditgnn data dataset=sbm dataset.scale=0.05 --raw synthetic
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from redditgnn.command.options import split_option
from redditgnn.config.compose import compose_settings
from redditgnn.dataset.reddit_raw import write_reddit_raw
from redditgnn.errors import UserError
from redditgnn.graph.data import GraphData


def main(argv: Sequence[str]) -> int:
    """Build the dataset that `argv` chooses and print a table about it."""
    overrides, raw_root = _split_raw_option(argv)
    settings = compose_settings(overrides)
    start = time.perf_counter()
    graph: GraphData = settings.build("dataset", Path(settings.data_dir))
    seconds = time.perf_counter() - start
    rows = {**_describe_graph(graph), "loaded in": f"{seconds:.1f} s"}
    if raw_root is not None:
        folder = raw_root / "Reddit" / "raw"
        write_reddit_raw(graph, folder)
        rows["raw files"] = str(folder)
    width = max(map(len, rows))
    print("\n".join(f"{key:<{width}}  {value}" for key, value in rows.items()))
    return 0


def _split_raw_option(argv: Sequence[str]) -> tuple[list[str], Path | None]:
    overrides, value = split_option(argv, "data", "--raw")
    if value is None:
        return overrides, None
    if not value or "=" in value:
        raise UserError("--raw needs a folder to write to, e.g. --raw synthetic")
    return overrides, Path(value)


def _describe_graph(graph: GraphData) -> dict[str, str]:
    degree = graph.degree
    sizes = [int(graph.mask(split).sum()) for split in ("train", "val", "test")]
    dtype = str(graph.x.dtype).removeprefix("torch.")
    labels = ", several per node" if graph.spec.multi_label else ""
    return {
        "dataset": graph.name,
        "nodes": f"{graph.num_nodes:,}",
        "edges": f"{graph.num_edges:,} (each direction counts; self-loops removed)",
        "features": f"{graph.spec.num_features:,}, stored as {dtype}",
        "classes": f"{graph.num_classes:,}{labels}",
        "split": "{:,} train, {:,} val, {:,} test".format(*sizes),
        "degree": f"min {int(degree.min()):,}, median {int(degree.median()):,}, "
        f"max {int(degree.max()):,}; {int((degree == 0).sum()):,} nodes have none",
        "fingerprint": str(graph.fingerprint),
        "cache": _describe_cache(graph.cache_dir),
    }


def _describe_cache(folder: Path | None) -> str:
    if folder is None:
        return "none"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder} ({size / 2**20:,.1f} MiB)"
