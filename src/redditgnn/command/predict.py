"""Write what a trained model predicts: classes, probabilities, embeddings, attention.

usage: redditgnn predict RUN_ID [--out FILE] [--split all|train|val|test] [--embeddings [LAYER]]
                         [--attention] [--window N] [KEY=VALUE ...]

RUN_ID is a value of the column run_id of runs.csv, its first letters, or `latest`. The file has a
row for each node: its id as in the input, split, label, predicted class, and a probability for each
class. By default it is predictions.csv in the run's folder.

  --out FILE     the file to write, as CSV, Parquet or npz by its ending
  --split SPLIT  only the nodes of that split
  --embeddings   also a column for each channel of the last hidden layer, or of LAYER (1, 2, ...)
  --attention    also write FILE-attention: a row for each edge and layer, a column for each head
  --window N     of a run of protocol=temporal: answers at the end of that test window (the last)
  --config-dir DIR   look for options of your own in DIR/dataset/*.yaml

keys: data_dir  results_dir  device  dataset=NAME  dataset.KEY  trainer.eval_chunk_edges

With dataset=, dataset.KEY= or data_dir= it predicts another graph, which has to have the same
features. Without them the data must be those that the run was trained on.

examples:
  redditgnn predict latest --out predictions.parquet
  redditgnn predict 20261127-1845 --split test --embeddings
  redditgnn predict latest dataset=pubmed data_dir=elsewhere --out new.csv
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from redditgnn.command.saved_runs import Arguments, default_place, load
from redditgnn.errors import UserError

if TYPE_CHECKING:
    from redditgnn.prediction.table import Selection
    from redditgnn.run.saved import Run

SPLITS = ("all", "train", "val", "test")
LAST = "last"
OWN, ANOTHER = "the run's own graph", "another graph than the run's"
MOST_NAMES = 5  # in a list


def main(argv: Sequence[str]) -> int:
    """Predict, and print what was written."""
    parser = Arguments("predict")
    parser.add_argument("--out")
    parser.add_argument("--split", default="all")
    parser.add_argument("--embeddings", nargs="?", const=LAST)
    parser.add_argument("--attention", action="store_true")
    options, ids, overrides = parser.read(_with_last_layer(argv))
    parser.refuse_more_than(1, ids)
    if options.split not in SPLITS:
        raise UserError(f"--split must be one of {', '.join(SPLITS)}, got {options.split}")
    layer = _layer(options.embeddings)
    run = load(ids[0], overrides, options.config_dir, options.window)
    _write(run, layer, options)
    return 0


def _with_last_layer(argv: Sequence[str]) -> list[str]:
    """Give `--embeddings` its default unless a number follows: RUN_ID may stand behind it."""
    followers = [*argv, ""][1:]
    return [
        f"{word}={LAST}" if word == "--embeddings" and not follower.isdigit() else word
        for word, follower in zip(argv, followers, strict=True)
    ]


def _layer(text: str | None) -> int | str | None:
    if text is None or text == LAST:
        return text
    if not text.isdigit():
        raise UserError(f"--embeddings must be the number of a layer, got {text}")
    return int(text)


def _write(run: Run, layer: int | str | None, options: Namespace) -> None:
    from redditgnn.prediction.files import check_place
    from redditgnn.prediction.layers import hidden_layer, most_heads

    path = Path(options.out) if options.out else None
    for file in [] if path is None else [path, _attention_path(path)]:
        check_place("--out", file)
    path = path or default_place(run, "predictions.csv", options.window)
    check_place("--out", path)
    embeddings = hidden_layer(run.model, None) if layer == LAST else layer
    assert not isinstance(embeddings, str)
    heads = most_heads(run.model) if options.attention else 0
    _write_tables(run, path, options.split, embeddings, heads)


def _write_tables(
    run: Run, path: Path, split: Selection, embeddings: int | None, heads: int
) -> None:
    """Write a file of nodes, and one of edges if there are `heads`; say where they are."""
    from redditgnn.prediction.facts import unknown_classes
    from redditgnn.prediction.files import table_file
    from redditgnn.prediction.table import AttentionWriter

    listener, edges_path = None, _attention_path(path)
    with ExitStack() as stack:
        if heads:
            write_edges = stack.enter_context(table_file(edges_path))
            listener = AttentionWriter(run.graph, split, heads, write_edges)
        table = run.answers(split, embeddings=embeddings, edge_listener=listener)
        write = stack.enter_context(table_file(path))
        for piece in table.pieces():
            write(piece)
    split_of_its_own = ", with a split of its own" if run.graph.train_mask.any() else ""
    whose = OWN if run.is_on_own_graph else f"{ANOTHER}{split_of_its_own}"
    whose += "" if run.window is None else f", at the end of window {run.window}"
    print(f"wrote {len(table):,} nodes of {run.graph.name}, {whose}, to {path}")
    if listener is not None:
        print(f"wrote {listener.num_rows:,} rows of attention to {edges_path}")
    if unknown := unknown_classes(run.graph, run.facts):
        print(
            f"{run.graph.name} has classes that the model was not trained on and cannot predict: "
            f"{', '.join(unknown[:MOST_NAMES])}{', ...' if len(unknown) > MOST_NAMES else ''}"
        )


def _attention_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}-attention{path.suffix}")
