"""Compare an experiment with its published number, or list all that have one.

usage: redditgnn verify [experiment=NAME [seeds=N] [GROUP=OPTION ...] [KEY=VALUE ...]]
       redditgnn verify [results_dir=DIR]

examples:
  redditgnn verify
  redditgnn verify experiment=pubmed_gat
  redditgnn verify experiment=pubmed_gat seeds=20 results_dir=elsewhere

With an experiment, it runs the missing ones of the seeds 0 to N-1, as 'redditgnn train' does, and
judges all completed runs. A row counts if it has the configuration (config_hash) and the data
(fingerprint) of the experiment, or of one of the splits that its target names. Rows come from
results_dir/runs.csv and from results_dir/reference/runs.csv, which is part of a checkout. Only the
first row of a seed counts. An empty results_dir repeats all runs. A verification that was killed
resumes where it stopped.

Without one, it lists all experiments that have a target, with the verdict of the runs so far.

seeds=N           default: the published number of runs, at least 10 and at most 20; with a target
                  over several splits, N seeds on each, by default as many runs in all
--config-dir DIR  look for experiments of your own in DIR/experiment/*.yaml, as train does

verdicts   REPRODUCED  the 95 % interval of the difference is within one published deviation
           ABOVE       it is not, and ours is higher with 95 % confidence
           BELOW       it is not, and ours is lower with 95 % confidence
           UNDECIDED   the runs cannot tell; how many seeds would decide it
           INCOMPLETE  the number is a mean over splits, and some have no run yet
           Where lower is better (test_ece), ABOVE and BELOW say which is better.
           docs/verify.md explains the test.
exit code  0 REPRODUCED or better, 4 worse, UNDECIDED or INCOMPLETE, 2 a mistake,
           3 too many runs failed
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from redditgnn import CONF_DIR
from redditgnn.command.options import split_option
from redditgnn.command.verify_runs import (
    completed_runs,
    describe_data,
    load_splits,
    run_missing,
)
from redditgnn.config.compose import compose_experiment, compose_settings
from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, RunFailed, UserError, require
from redditgnn.metric.base import TEST_SCORES
from redditgnn.record.reading import FILE, TEXTS, files_of, read_runs
from redditgnn.runtime.logs import log_to_stderr
from redditgnn.verify.repetitions import (
    count_runs,
    find_repetitions,
    percent_sample,
)
from redditgnn.verify.target import target_from
from redditgnn.verify.verdict import MOST_SEEDS, judge
from redditgnn.verify.wording import describe_comparison, format_interval, format_sample

NOT_MET = 4
COLUMNS = (*TEXTS, *TEST_SCORES, FILE)  # of runs.csv, that verdicts read


class Request(NamedTuple):
    """The parsed command line. `overrides` are Hydra's, including the experiment."""

    experiment: str | None
    seeds: int | None
    config_dir: Path | None
    overrides: list[str]


def main(argv: Sequence[str]) -> int:
    """Verify one experiment, or list them; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the run leaves its row
    log_to_stderr()
    request = _parse_request(list(argv))
    if request.experiment is None:
        for line in list_targets(request):
            print(line, flush=True)
        return 0
    return verify(request, request.experiment)


def verify(request: Request, name: str) -> int:
    """Run the missing seeds, print the comparison, and return 0 or `NOT_MET`.

    Raises:
        ConfigError: there is no such experiment or target, or its data are not the target's.
        RunFailed: fewer than two runs completed.
    """
    settings, values = _compose(request, name)
    if values is None:
        experiments = Experiments(_folders(request))
        others = ", ".join(other for other in experiments.names if _has_target(experiments, other))
        raise ConfigError(f"experiment={name} has no target; those with one: {others}")
    target = target_from(values, name)
    splits = load_splits(settings, target, name)
    failed = run_missing(splits, target, request.seeds or target.num_seeds)
    runs = completed_runs(splits)
    if len(runs) < 2:
        path = Path(settings.results_dir) / "runs.csv"
        raise RunFailed(f"{len(runs)} runs completed, two at least are needed; {path} says why")
    ours = percent_sample(runs, target)
    verdict = judge(ours, target.published)
    configuration = hash_of_config(settings)
    print(f"\nexperiment  {name}, configuration {configuration}, data {describe_data(splits)}")
    if others := _other_settings(request, settings):
        print(f"settings    not those of the experiment: {others}")
    print(*describe_comparison(runs, ours, target, verdict), sep="\n")
    if failed:
        print(f"failed      {', '.join(failed)}: in no mean, but look at why")
    num_splits = count_runs(runs).splits
    print(target.describe(verdict, num_splits))
    return 0 if target.is_recalled or target.is_met_by(verdict, num_splits) else NOT_MET


def list_targets(request: Request) -> Iterator[str]:
    """Describe every experiment that has a target in a line: published, ours, verdict."""
    results_dir = Path(compose_settings(request.overrides).results_dir)
    runs = read_runs(files_of(results_dir)).filter(COLUMNS)  # each choice of rows copies them all
    experiments = Experiments(_folders(request))
    names = [name for name in experiments.names if _has_target(experiments, name)]
    width = max(map(len, [*names, "experiment"]))
    yield (
        f"{'experiment':{width}}  {'published, %':14}  trust  {'ours, %':14}  {'n':>3}  "
        f"{'difference [95 % interval]':26}  verdict"
    )
    for name in names:
        yield f"{name:{width}}  {_describe_target(experiments, name, runs)}"


def _has_target(experiments: Experiments, name: str) -> bool:
    """Whether an experiment has a target, or a mistake that must be shown instead."""
    try:
        return experiments.target(name) is not None
    except ConfigError:
        return True


def _describe_target(experiments: Experiments, name: str, runs: pd.DataFrame) -> str:
    """Describe one experiment. A mistake in it does not hide the others."""
    try:
        target = target_from(experiments.target(name), name)
        outcome = _describe_outcome(experiments, name, runs)
    except UserError as error:
        return f"MISTAKE: {error}"
    return f"{format_sample(target.published):14}  {target.trust:5}  {outcome}"


def _describe_outcome(experiments: Experiments, name: str, runs: pd.DataFrame) -> str:
    """Describe the runs of an experiment, with its target composed as for a run."""
    if runs.empty:
        return "not run"
    settings, values = experiments.compose(name)
    target = target_from(values, name)
    completed = find_repetitions(runs, target.config_hashes(settings), target)
    if completed.empty:
        others = int(((runs.experiment == name) & (runs.status == "completed")).sum())
        return f"not run ({others} of other settings or data)" if others else "not run"
    ours = percent_sample(completed, target)
    verdict = judge(ours, target.published)
    difference = f"{verdict.difference:+.2f} {format_interval(verdict.interval, '+.2f')}"
    count = count_runs(completed)
    words = target.describe(verdict, count.splits)
    return f"{format_sample(ours):14}  {count!s:>3}  {difference:26}  {words}"


def _parse_request(argv: list[str]) -> Request:
    """Parse the arguments.

    Raises:
        UserError: verify does not take one of them.
    """
    overrides, config_dir = _split_config_dir(argv)
    values = dict(override.partition("=")[::2] for override in overrides)
    experiment, seeds = values.get("experiment"), values.get("seeds")
    if experiment is None and (other := sorted(set(values) - {"results_dir"})):
        experiments = Experiments([CONF_DIR]).names
        name = f"experiment={other[0]}" if other[0] in experiments else "experiment=NAME ..."
        raise UserError(
            f"{other[0]} needs an experiment: redditgnn verify {name}; "
            "without one only results_dir=DIR is taken"
        )
    for key, value in values.items():
        seed = f"seed={value}: verify chooses the seeds itself; say how many: seeds=N"
        target = f"{key}: a published number is not set here; write an experiment of your own"
        require(key != "seed", seed)
        require(key.lstrip("+~").partition(".")[0] != "target", target)
    rest = [override for override in overrides if not override.startswith("seeds=")]
    return Request(experiment, None if seeds is None else _parse_seeds(seeds), config_dir, rest)


def _parse_seeds(text: str) -> int:
    fits = text.isdecimal() and 2 <= int(text) <= MOST_SEEDS
    require(fits, f"seeds must be an int in [2, {MOST_SEEDS}], got {text}")
    return int(text)


def _split_config_dir(argv: Sequence[str]) -> tuple[list[str], Path | None]:
    overrides, value = split_option(argv, "verify", "--config-dir")
    if value is None:
        return overrides, None
    folder = Path(value)
    if not (folder / "experiment").is_dir():
        raise UserError(f"--config-dir needs a folder with experiment/*.yaml, got {folder}")
    return overrides, folder


def _compose(request: Request, name: str) -> tuple[Settings, object]:
    names = Experiments(_folders(request)).names
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f" (did you mean experiment={near[0]}?)" if near else ""
        raise ConfigError(f"experiment={name}: no such experiment{hint}; see 'redditgnn verify'")
    return compose_experiment(request.overrides, request.config_dir)


def _other_settings(request: Request, settings: Settings) -> str:
    """Return the overrides that change scores of the experiment, '' if there are none."""
    own, _ = compose_experiment([f"experiment={request.experiment}"], request.config_dir)
    if hash_of_config(own) == hash_of_config(settings):
        return ""
    places = ("experiment=", "results_dir=", "data_dir=")
    return " ".join(text for text in request.overrides if not text.startswith(places))


def _folders(request: Request) -> list[Path]:
    return [CONF_DIR] if request.config_dir is None else [CONF_DIR, request.config_dir]
