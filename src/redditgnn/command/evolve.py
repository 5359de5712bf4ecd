"""Look at a graph through time: what changes, and what becomes of its communities.

usage: redditgnn evolve [dataset=NAME] [evolve.windows=N|1d] [evolve.mode=snapshots|cumulative]
                        [KEY=VALUE ...] [--dry-run] [--config-dir DIR]

The times are cut into windows. For each it prints nodes, edges, degree, homophily, and how far the
communities changed since the one before. It writes a page with curves and an alluvial diagram, the
tables, and the events of communities (birth, death, merge, split) to results_dir/evolution/.
Runs of protocol=temporal on this graph add their scores by the age of the model.

keys
  evolve.windows=N     so many windows with equally many events, or the length of each: 12h | 1d
  evolve.mode          snapshots | cumulative: all edges from the first on
  evolve.task          communities | describe: without communities
  evolve.resolution=R  of Leiden: the higher, the more communities
  evolve.threshold=T   the share of a community's nodes that links it to another
  evolve.seed  dataset.KEY  data_dir  results_dir

  --dry-run            say what the windows are, and stop
  --config-dir DIR     look for options of your own in DIR/dataset/*.yaml

examples:
  redditgnn evolve dataset=workplace
  redditgnn evolve dataset=highschool evolve.windows=1d
  redditgnn evolve dataset=ogbn_arxiv evolve.mode=cumulative evolve.task=describe
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redditgnn.command.options import CONFIG_DIR, existing_folder, split_group, split_option
from redditgnn.errors import require
from redditgnn.runtime.logs import log_to_stderr

if TYPE_CHECKING:
    from redditgnn.evolution.results import Result
    from redditgnn.evolution.settings import EvolveSettings
    from redditgnn.graph.data import GraphData
    from redditgnn.graph.timeline import Window

GROUP, DRY_RUN = "evolve", "--dry-run"
KEYS = ("dataset", "data_dir", "results_dir", "device")
MOST_WINDOWS = 1000


def main(argv: Sequence[str]) -> int:
    """Describe a graph through time, print it, and write it."""
    log_to_stderr()
    overrides, folder = split_option(
        [word for word in argv if word != DRY_RUN], "evolve", CONFIG_DIR
    )
    own, data = split_group(overrides, GROUP, "an evolution", KEYS, ("dataset",))
    config_dir = existing_folder(folder)
    # They import Hydra and torch, which a mistake in the arguments need not wait for.
    from redditgnn.config.compose import compose_experiment
    from redditgnn.config.option import compose_option
    from redditgnn.evolution.results import PAGE
    from redditgnn.graph.timeline import Timeline
    from redditgnn.parts import Parts

    settings: EvolveSettings = compose_option(GROUP, "default", own).call()
    run_settings, _ = compose_experiment(data, config_dir)
    graph = Parts(run_settings).graph
    windows = Timeline(graph).windows(f"{GROUP}.windows", settings.windows)
    require(
        len(windows) <= MOST_WINDOWS,
        f"evolve.windows={settings.windows} makes {len(windows):,} windows, and "
        f"{MOST_WINDOWS:,} is the most; choose longer ones",
    )
    if DRY_RUN in argv:
        print(_describe_plan(graph, windows))
        return 0
    results_dir = Path(run_settings.results_dir)
    result = _evolve(graph, windows, settings, results_dir)
    written = result.write(results_dir)
    print(f"{result.text()}\n\nwrote {written / PAGE}")
    return 0


def _describe_plan(graph: GraphData, windows: Sequence[Window]) -> str:
    from redditgnn.command.doctor import align_columns
    from redditgnn.evolution.wording import as_time

    rows = [("graph", f"{graph.name}: {graph.num_nodes:,} nodes, {graph.num_edges:,} entries")]
    for number, window in enumerate(windows, start=1):
        rows.append((f"snapshot {number}", f"{as_time(window.start)} to {as_time(window.end)}"))
    return align_columns(rows)


def _evolve(
    graph: GraphData, windows: Sequence[Window], settings: EvolveSettings, results_dir: Path
) -> Result:
    """Measure what it costs, without what is compiled at first."""
    from redditgnn.evolution.ages import scores_by_age
    from redditgnn.evolution.communities import compile_kernels
    from redditgnn.evolution.evolution import evolve
    from redditgnn.evolution.results import Result

    compile_kernels(settings, weighted=graph.edge_weight is not None)
    start = time.process_time()
    evolution = evolve(graph, windows, settings)
    cpu_s = time.process_time() - start
    return Result(
        graph=graph,
        settings=settings,
        windows=windows,
        evolution=evolution,
        ages=scores_by_age(results_dir, graph),
        cpu_s=cpu_s,
    )
