"""Correct and smooth the answers of a trained model with the labels of training nodes.

usage: redditgnn smooth RUN_ID [--correct ALPHAS] [--scale SCALES] [--smooth ALPHAS] [--steps N]
                        [--labels train|train+val] [--window N] [KEY=VALUE ...]

RUN_ID is a value of the column run_id of runs.csv, its first letters, or `latest`. The model's
errors at training nodes spread along the edges and correct its probabilities. Then labels and
probabilities spread and smooth them (Huang et al. 2021, arXiv:2010.13993). Nothing is trained.

Every combination of the values is tried, and the one with the best validation score is used. It
prints the validation and test scores before and after. All that was tried is smoothing.csv in the
run's folder.

  --correct ALPHAS  how far errors spread, numbers in (0, 1) (0.5,0.8,0.95)
  --scale SCALES    what errors are multiplied by: numbers, or auto for their mean size (auto,1)
  --smooth ALPHAS   how far labels spread, numbers in (0, 1) (0.5,0.8,0.95)
  --steps N         steps along the edges (50)
  --labels WHICH    train+val: once chosen, read the labels of validation nodes as well (train)
  --window N        of a run of protocol=temporal: answers at the end of that test window (the last)
  --config-dir DIR  look for options of your own in DIR/dataset/*.yaml

keys: data_dir  results_dir  device  dataset=NAME  dataset.KEY  trainer.eval_chunk_edges

examples:
  redditgnn smooth latest
  redditgnn smooth 20261127-1845 --correct 0.9 --scale auto --smooth 0.5,0.8 --labels train+val
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redditgnn.command.saved_runs import Arguments, default_place, load
from redditgnn.errors import UserError
from redditgnn.record.runs_file import as_csv
from redditgnn.runtime.files import whole_file

if TYPE_CHECKING:
    from redditgnn.evaluation.smoothing import Choice, Scale, Smoothing

LABELS = ("train", "train+val")
OPTIONS = {"correct": "0.5,0.8,0.95", "scale": "auto,1", "smooth": "0.5,0.8,0.95", "steps": "50"}


def main(argv: Sequence[str]) -> int:
    """Smooth, print the scores, and write what was tried."""
    parser = Arguments("smooth")
    for name, default in OPTIONS.items():
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--labels", default=LABELS[0])
    options, ids, overrides = parser.read(argv)
    parser.refuse_more_than(1, ids)
    if options.labels not in LABELS:
        raise UserError(f"--labels must be one of {', '.join(LABELS)}, got {options.labels}")
    alphas = [_alphas(f"--{name}", getattr(options, name)) for name in ("correct", "smooth")]
    scales, steps = _scales(options.scale), _steps(options.steps)
    run = load(ids[0], overrides, options.config_dir, options.window)
    result = run.smooth(
        correct_alphas=alphas[0],
        scales=scales,
        smooth_alphas=alphas[1],
        num_steps=steps,
        with_val_labels=options.labels == LABELS[1],
    )
    path = default_place(run, "smoothing.csv", options.window)
    facts = {"num_steps": steps, "labels": options.labels}
    _write(path, [facts | row for row in _rows(result, run.monitored_metric)])
    print(f"run {run.run_id} on {run.graph.name}, with the labels of {options.labels} nodes")
    print(_table(result, run.monitored_metric))
    print(_describe(result.best))
    print(f"wrote the validation scores of {len(result.trials)} settings to {path}")
    return 0


def _rows(result: Smoothing, metric: str) -> list[dict[str, Any]]:
    """Return a row for each choice. Only the first, which changes nothing, and the best are tested.

    A run that is read twice must not choose by test scores, so there are no others.
    """
    tested = {result.best: result.after["test"][metric]} | {
        choice: result.before["test"][metric] for choice, _ in result.trials[:1]
    }
    return [
        {
            **choice._asdict(),
            f"val_{metric}": score,
            f"test_{metric}": tested.get(choice),
            "chosen": choice == result.best,
        }
        for choice, score in result.trials
    ]


def _table(result: Smoothing, metric: str) -> str:
    lines = [f"{metric:<20}{'val':>8}{'test':>8}"]
    for title, scores in (("before", result.before), ("after", result.after)):
        lines.append(f"{title:<20}{scores['val'][metric]:8.4f}{scores['test'][metric]:8.4f}")
    return "\n".join(lines)


def _describe(choice: Choice) -> str:
    """Return in one line what the chosen setting does."""
    halves = []
    if choice.correct_alpha is not None:
        halves.append(f"--correct {choice.correct_alpha} --scale {choice.scale}")
    if choice.smooth_alpha is not None:
        halves.append(f"--smooth {choice.smooth_alpha}")
    if not halves:
        return "nothing was better on the validation nodes, so the answers stay as they are"
    return f"chosen: {' '.join(halves)}"


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = [as_csv(list(row), row, with_header=row is rows[0]) for row in rows]
    with whole_file(path) as file:
        file.write("".join(lines).encode())


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{option} must be numbers separated by commas, got {text!r}") from None


def _alphas(option: str, text: str) -> list[float]:
    values = [_number(option, word) for word in _words(text)]
    for value in values:
        if not 0 < value < 1:
            raise UserError(f"{option} must be numbers between 0 and 1, got {value}; try 0.5,0.9")
    return values


def _scales(text: str) -> list[Scale]:
    values: list[Scale] = [
        "auto" if word == "auto" else _number("--scale", word) for word in _words(text)
    ]
    for value in values:
        if value != "auto" and not 0 < value < math.inf:
            raise UserError(f"--scale must be auto or positive numbers, got {value}; try auto,1")
    return values


def _words(text: str) -> list[str]:
    """Return the different words of a list with commas."""
    return list(dict.fromkeys(text.split(",")))


def _steps(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise UserError(f"--steps must be a positive number, got {text}; try 50")
    return int(text)
