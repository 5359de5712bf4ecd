"""Find the groups of a graph whose nodes have most of their edges among themselves.

usage: redditgnn communities [dataset=NAME] [communities=METHOD] [KEY=VALUE ...]
                             [run=RUN_ID] [--dry-run] [--config-dir DIR]

The methods are leiden (the default), louvain and label_propagation. Edges count in both directions.
It prints the communities beside the labels, and writes the community of every node, a row for each
community, and the edges between them to results_dir/communities/. There communities.html shows
them, and opens from disk.

keys
  communities.resolution=R  the higher, the more communities: auto, a number, or a list '[.5,1,2]'.
                            Of several, that with the shortest description of the graph is taken
  communities.objective     modularity | cpm (the constant Potts model)
  communities.iterations  communities.restarts  communities.seed  communities.weights
  run=RUN_ID     compare also with what this run predicts; its dataset is the default
  dataset.KEY  data_dir  results_dir  device

  --dry-run           say what would be computed, and how much memory that takes, and stop
  --config-dir DIR    look for options of your own in DIR/dataset/*.yaml, DIR/communities/*.yaml

examples:
  redditgnn communities dataset=cora
  redditgnn communities dataset=sbm communities.resolution=1 communities.restarts=1
  redditgnn communities dataset=pubmed communities=louvain 'communities.resolution=[.5,1,2]'
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redditgnn.command.options import CONFIG_DIR, existing_folder, split_group, split_option
from redditgnn.runtime.logs import log_to_stderr

if TYPE_CHECKING:
    from numpy import ndarray

    from redditgnn.config.option import Option
    from redditgnn.graph.data import GraphData
    from redditgnn.partition.base import Method
    from redditgnn.partition.results import Result

GROUP, RUN, DRY_RUN = "communities", "run", "--dry-run"
KEYS = ("dataset", RUN, "data_dir", "results_dir", "device")


class Words(NamedTuple):
    """The command line by what it is about."""

    method: list[str]
    data: list[str]
    run_id: str | None
    config_dir: Path | None


def main(argv: Sequence[str]) -> int:
    """Find communities, print what they are like, and write them."""
    log_to_stderr()
    words = _read([word for word in argv if word != DRY_RUN])
    # They import Hydra and torch, which a mistake in the arguments need not wait for.
    from redditgnn.command.communities_text import describe_plan, describe_result, result_facts
    from redditgnn.config.option import compose_option
    from redditgnn.maps.community_page import community_files

    option = compose_option(GROUP, "leiden", words.method, words.config_dir)
    method: Method = option.call()
    graph, predicted, results_dir = _load(words, with_predictions=DRY_RUN not in argv)
    if DRY_RUN in argv:
        print(describe_plan(graph, option.name, method))
        return 0
    result = _find(graph, predicted, option, method, words.run_id)
    folder = result.write(results_dir, community_files(result, result_facts(result)))
    print(f"{describe_result(result)}\n\nwrote {folder}")
    return 0


def _read(argv: Sequence[str]) -> Words:
    overrides, folder = split_option(argv, "communities", CONFIG_DIR)
    method, data = split_group(overrides, GROUP, "communities", KEYS, ("dataset",))
    runs = [word for word in data if word.lstrip("+~").partition("=")[0] == RUN]
    run_id = runs[-1].partition("=")[2] if runs else None
    data = [word for word in data if word not in runs]
    return Words(method, data, run_id, existing_folder(folder))


def _load(words: Words, *, with_predictions: bool) -> tuple[GraphData, ndarray | None, Path]:
    """Load the graph, and predict its nodes if there is a run."""
    import torch

    from redditgnn.config.compose import compose_experiment
    from redditgnn.memory.out_of_memory import MemoryWatch, Phase

    settings, _ = compose_experiment(words.data, words.config_dir)
    results_dir = Path(settings.results_dir)
    if words.run_id is not None:
        return *_load_run(words, words.run_id, with_predictions=with_predictions), results_dir
    with MemoryWatch(settings, torch.device("cpu")).during(Phase.LOADING):
        return settings.build("dataset", Path(settings.data_dir)), None, results_dir


def _load_run(
    words: Words, run_id: str, *, with_predictions: bool
) -> tuple[GraphData, ndarray | None]:
    from redditgnn.command.saved_runs import load
    from redditgnn.prediction.facts import fit_labels

    run = load(run_id, words.data, words.config_dir)
    graph = fit_labels(run.graph, run.facts) if run.graph.num_classes else run.graph
    if run.facts.spec.multi_label or not with_predictions:
        return graph, None
    return graph, run.predict().numpy()


def _find(
    graph: GraphData, predicted: ndarray | None, option: Option, method: Method, run_id: str | None
) -> Result:
    """Find the communities, and measure what that costs, without what is compiled at first."""
    from redditgnn.partition.adjacency import undirected
    from redditgnn.partition.results import Result
    from redditgnn.partition.search import compile_kernels, find_communities
    from redditgnn.runtime.measure import peak_rss_mib, reset_peak_rss

    compile_kernels(method, weighted=graph.edge_weight is not None)
    start, adjacency = time.process_time(), undirected(graph)  # reads all edges
    reset_peak_rss()
    before = peak_rss_mib()
    communities = find_communities(method, adjacency)
    cost = {"cpu_s": time.process_time() - start, "peak_rss_mib": peak_rss_mib()}
    cost["beyond_graph_mib"] = cost["peak_rss_mib"] - before
    return Result.of(
        graph,
        {"name": option.name, **option.values, "run": run_id},
        communities,
        predicted,
        was_directed=adjacency.was_directed,
        cost=cost,
    )
