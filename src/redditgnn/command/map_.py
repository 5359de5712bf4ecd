"""Draw all nodes of a graph in the plane: a page to explore, and a picture.

usage: redditgnn map [dataset=NAME] [map.of=features|embedding:NAME|run:RUN_ID] [KEY=VALUE ...]
                     [--config-dir DIR]

The page is one file that opens from disk: pan, zoom, hover, search, colour by label, split, degree,
and with a run also by prediction and by right or wrong. It is written to results_dir/maps/ beside
map.png, map.svg, and map.npy with the positions.

keys
  map.of=embedding:NAME  lay out an embedding, such as deepwalk or fastrp
  map.of=run:RUN_ID   lay out the last hidden layer of that run, whose dataset is the default
  map.layout=LAYOUT   auto | pca | localmap | pacmap | tsne | umap
  map.colour=COLUMN   the column that it opens with
  map.communities=DIR a folder that 'redditgnn communities' wrote: one more column
  map.columns=FILE    a CSV file with more columns, and a column node with the ids of nodes
  map.seed  dataset.KEY  embedding.KEY  data_dir  results_dir  device

  --config-dir DIR    look for options of your own in DIR/dataset/*.yaml

examples:
  redditgnn map dataset=pubmed
  redditgnn map dataset=pubmed map.of=embedding:deepwalk embedding.dim=64
  redditgnn map map.of=run:latest map.layout=localmap map.colour=outcome
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from redditgnn.command.options import CONFIG_DIR, existing_folder, split_group, split_option
from redditgnn.command.saved_runs import load
from redditgnn.runtime.logs import log_to_stderr

if TYPE_CHECKING:
    from redditgnn.graph.data import GraphData
    from redditgnn.maps.columns import Column
    from redditgnn.maps.drawing import Table
    from redditgnn.maps.settings import MapSettings
    from redditgnn.run.saved import Run

GROUP = "map"
KEYS = ("dataset", "data_dir", "results_dir", "device", "seed")


def main(argv: Sequence[str]) -> int:
    """Draw a map, write it, and print where."""
    log_to_stderr()
    overrides, folder = split_option(argv, "map", CONFIG_DIR)
    own, data = split_group(overrides, GROUP, "a map", KEYS, ("dataset", "embedding"))
    config_dir = existing_folder(folder)
    # They import Hydra and torch, which a mistake in the arguments need not wait for.
    from redditgnn.config.compose import compose_experiment
    from redditgnn.config.option import compose_option
    from redditgnn.maps.drawing import describe_map, draw_map, write_map
    from redditgnn.parts import Parts

    settings: MapSettings = compose_option(GROUP, "default", own).call()
    run_settings, _ = compose_experiment([*data, *settings.inputs], config_dir)
    answers: list[Column] = []
    if settings.run_id is None:
        graph = Parts(run_settings).graph
        table = graph.x
    else:
        run = load(settings.run_id, data, config_dir)
        settings = replace(settings, of=f"run:{run.run_id}")  # not latest
        graph, table, answers = _read(run)
    content = draw_map(graph, table, settings, answers)
    written = write_map(content, settings, graph, Path(run_settings.results_dir))
    print(f"{describe_map(content)}\nwrote {written / 'map.html'}")
    return 0


def _read(run: Run) -> tuple[GraphData, Table, list[Column]]:
    """Return the graph of a run, its last hidden states, and the columns of its answers."""
    import torch

    from redditgnn.maps.columns import answer_columns
    from redditgnn.prediction.facts import fit_labels
    from redditgnn.prediction.layers import hidden_layer

    answers = run.answers("all", embeddings=hidden_layer(run.model, None)).columns
    states = torch.from_numpy(answers["embedding"])
    if run.facts.spec.multi_label:
        return run.graph, states, []
    graph = fit_labels(run.graph, run.facts) if run.graph.num_classes else run.graph
    columns = answer_columns(graph.y.numpy(), run.facts.class_names, answers["probability"])
    return graph, states, list(columns)
