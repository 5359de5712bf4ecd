"""Write a trained model as a folder that plain PyG loads.

usage: redditgnn export RUN_ID [--out DIR] [--window N] [KEY=VALUE ...]

RUN_ID is a value of the column run_id of runs.csv, its first letters, or `latest`. The folder, by
default export/ in the run's, holds

  example.py   the model in PyG's own layers; it loads the rest and compares the logits
  weights.pt   the weights of the best epoch, as a state_dict of those layers
  data.pt      features, edge_index, labels, masks, and the logits that redditgnn computes
  model.json   settings of the model, names of classes and features

keys: data_dir  results_dir  device  dataset=NAME  dataset.KEY

With protocol=temporal, model and graph are those at the end of test window N, by default the last.
A model that PyG's layers cannot rebuild to the same numbers is refused.

examples:
  redditgnn export latest
  redditgnn export 20261127-1845 --out model
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redditgnn.command.saved_runs import Arguments, default_place, load


def main(argv: Sequence[str]) -> int:
    """Export, and print where the folder is."""
    parser = Arguments("export")
    parser.add_argument("--out")
    options, ids, overrides = parser.read(argv)
    parser.refuse_more_than(1, ids)
    run = load(ids[0], overrides, options.config_dir, options.window)
    place = default_place(run, "export", options.window)
    folder = run.export(Path(options.out) if options.out else place)
    print(f"wrote {folder}; start it with: cd {folder} && python example.py")
    return 0
