"""Hold an experiment against its published number, or list all that have one.

usage: redditgnn verify [experiment=NAME [seeds=N] [GROUP=OPTION ...] [KEY=VALUE ...]]
       redditgnn verify [results_dir=DIR]

examples:
  redditgnn verify
  redditgnn verify experiment=pubmed_gat
  redditgnn verify experiment=pubmed_gat seeds=20 results_dir=elsewhere

With an experiment: runs the seeds 0 to N-1 that are missing, each a row of results_dir/runs.csv as
with 'redditgnn train', and judges all that completed. Rows count that have the configuration
(config_hash) and the data (fingerprint) of the experiment, in results_dir/runs.csv and in
results_dir/reference/runs.csv, which a checkout brings along; of a seed only the first row. An
empty results_dir makes all of them anew, and a verification that was killed goes on where it was.

Without one: all experiments that have a target, and what the runs in results_dir say of them.

seeds=N           default: as many as were published, at least 10 and at most 20
--config-dir DIR  look for experiments of your own in DIR/experiment/*.yaml, as train does

verdicts   REPRODUCED  the 95 % interval of the difference is within one published deviation
           ABOVE       it is not, and ours is higher with 95 % confidence
           BELOW       it is not, and ours is lower with 95 % confidence
           UNDECIDED   the runs cannot tell; how many seeds would decide it
           docs/verify.md explains the test.
exit code  0 REPRODUCED or ABOVE, 4 BELOW or UNDECIDED, 2 a mistake, 3 too many runs failed
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from redditgnn import CONF_DIR
from redditgnn.command.options import taken
from redditgnn.config.compose import compose_experiment, compose_settings
from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, RunFailed, UserError, require
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.record.reading import files_of, read_runs
from redditgnn.runtime.logs import tell_on_stderr
from redditgnn.verify.repetitions import of_fingerprint, percents, repetitions
from redditgnn.verify.target import TRUST, Target, target_from
from redditgnn.verify.verdict import MOST_SEEDS, Interval, Sample, Verdict, interval_of_mean, judge

NOT_MET = 4
DECIDED_WELL = ("REPRODUCED", "ABOVE")


class Request(NamedTuple):
    """What the command line asks for; `overrides` are Hydra's, the experiment among them."""

    experiment: str | None
    seeds: int | None
    config_dir: Path | None
    overrides: list[str]


def main(argv: Sequence[str]) -> int:
    """Verify one experiment, or list them; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the run leaves its row
    tell_on_stderr()
    request = _request(list(argv))
    if request.experiment is None:
        for line in list_targets(request):
            print(line, flush=True)
        return 0
    return verify(request, request.experiment)


def verify(request: Request, name: str) -> int:
    """Run what is missing, print the comparison, and return 0 or `NOT_MET`.

    Raises:
        ConfigError: there is no such experiment or target, or its data are not the target's.
        RunFailed: fewer than two runs completed.
    """
    settings, values = _composed(request, name)
    if values is None:
        experiments = Experiments(_folders(request))
        known = ", ".join(other for other in experiments.names if _has_target(experiments, other))
        raise ConfigError(f"experiment={name} has no target; those with one: {known}")
    target = target_from(values, name)
    fingerprint = _fingerprint(settings, target, name)
    failed = _run_missing(settings, target, fingerprint, request.seeds or target.num_seeds)
    runs = _completed(settings, fingerprint)
    if len(runs) < 2:
        path = Path(settings.results_dir) / "runs.csv"
        raise RunFailed(f"{len(runs)} runs completed, two at least are needed; {path} says why")
    ours = percents(runs, target)
    verdict = judge(ours, target.published)
    print(f"\nexperiment  {name}, configuration {hash_of_config(settings)}, data {fingerprint}")
    if others := _other_settings(request, settings):
        print(f"settings    not those of the experiment: {others}")
    print(*_compared(runs, ours, target, verdict), sep="\n")
    if failed:
        print(f"failed      {', '.join(failed)}: in no mean, but look at why")
    print(target.told(verdict))
    return 0 if target.is_recalled or verdict.name in DECIDED_WELL else NOT_MET


def list_targets(request: Request) -> Iterator[str]:
    """Describe every experiment that has a target in a line: published, ours, verdict."""
    results_dir = Path(compose_settings(request.overrides).results_dir)
    runs = read_runs(files_of(results_dir))
    experiments = Experiments(_folders(request))
    names = [name for name in experiments.names if _has_target(experiments, name)]
    width = max(map(len, [*names, "experiment"]))
    yield (
        f"{'experiment':{width}}  {'published, %':14}  trust  {'ours, %':14}  {'n':>3}  "
        f"{'difference [95 % interval]':26}  verdict"
    )
    for name in names:
        yield f"{name:{width}}  {_told(experiments, name, runs)}"


def _has_target(experiments: Experiments, name: str) -> bool:
    """Whether an experiment has a target, or a mistake instead, which is to be shown."""
    try:
        return experiments.target(name) is not None
    except ConfigError:
        return True


def _told(experiments: Experiments, name: str, runs: pd.DataFrame) -> str:
    """Describe one experiment; a mistake in one does not hide the others."""
    try:
        target = target_from(experiments.target(name), name)
        standing = _standing(experiments, name, runs)
    except UserError as error:
        return f"MISTAKE: {error}"
    return f"{_sample(target.published):14}  {target.trust:5}  {standing}"


def _standing(experiments: Experiments, name: str, runs: pd.DataFrame) -> str:
    """Say what `runs` tell of an experiment whose target is composed as a run composes it."""
    if runs.empty:
        return "not run"
    settings, values = experiments.compose(name)
    target = target_from(values, name)
    found = repetitions(runs, hash_of_config(settings), target)
    if found.empty:
        others = int(((runs.experiment == name) & (runs.status == "completed")).sum())
        return f"not run ({others} of other settings or data)" if others else "not run"
    ours = percents(found, target)
    verdict = judge(ours, target.published)
    difference = f"{verdict.difference:+.2f} {_interval(verdict.interval, '+.2f')}"
    told = target.told(verdict)
    return f"{_sample(ours):14}  {len(found):3}  {difference:26}  {told}"


def _request(argv: list[str]) -> Request:
    """Sort the arguments.

    Raises:
        UserError: one is none of verify's.
    """
    overrides, config_dir = _without_config_dir(argv)
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
        require(
            key != "seed", f"seed={value}: verify chooses the seeds itself; say how many: seeds=N"
        )
        require(
            key.lstrip("+~").partition(".")[0] != "target",
            f"{key}: a published number is not set here; write an experiment of your own",
        )
    kept = [override for override in overrides if not override.startswith("seeds=")]
    return Request(experiment, None if seeds is None else _count(seeds), config_dir, kept)


def _count(text: str) -> int:
    fits = text.isdecimal() and 2 <= int(text) <= MOST_SEEDS
    require(fits, f"seeds must be an int in [2, {MOST_SEEDS}], got {text}")
    return int(text)


def _without_config_dir(argv: Sequence[str]) -> tuple[list[str], Path | None]:
    overrides, value = taken(argv, "verify", "--config-dir")
    if value is None:
        return overrides, None
    folder = Path(value)
    if not (folder / "experiment").is_dir():
        raise UserError(f"--config-dir needs a folder with experiment/*.yaml, got {folder}")
    return overrides, folder


def _composed(request: Request, name: str) -> tuple[Settings, object]:
    names = Experiments(_folders(request)).names
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f" (did you mean experiment={near[0]}?)" if near else ""
        raise ConfigError(f"experiment={name}: no such experiment{hint}; see 'redditgnn verify'")
    return compose_experiment(request.overrides, request.config_dir)


def _other_settings(request: Request, settings: Settings) -> str:
    """Return what the command line changes of the experiment; nothing if no score depends on it."""
    own, _ = compose_experiment([f"experiment={request.experiment}"], request.config_dir)
    if hash_of_config(own) == hash_of_config(settings):
        return ""
    places = ("experiment=", "results_dir=", "data_dir=")
    return " ".join(text for text in request.overrides if not text.startswith(places))


def _folders(request: Request) -> list[Path]:
    return [CONF_DIR] if request.config_dir is None else [CONF_DIR, request.config_dir]


def _fingerprint(settings: Settings, target: Target, name: str) -> Fingerprint:
    """Load the dataset once, and refuse one that the published number is not of."""
    settings.check()
    graph = settings.build("dataset", Path(settings.data_dir))
    fingerprint: Fingerprint = graph.fingerprint.of_a_run(settings.protocol)
    if differences := target.differences(fingerprint):
        raise ConfigError(
            f"experiment={name}: its published number is of other data: {'; '.join(differences)} "
            f"({target.source})"
        )
    return fingerprint


def _completed(settings: Settings, fingerprint: Fingerprint) -> pd.DataFrame:
    runs = read_runs(files_of(Path(settings.results_dir)))
    return of_fingerprint(runs[runs.config_hash == hash_of_config(settings)], str(fingerprint))


def _run_missing(
    settings: Settings, target: Target, fingerprint: Fingerprint, num_seeds: int
) -> list[str]:
    """Run the seeds below `num_seeds` that have no row, and say which failed."""
    present = set(_completed(settings, fingerprint).seed)
    missing = [seed for seed in range(num_seeds) if str(seed) not in present]
    if missing:
        print(f"{num_seeds} seeds, of which {len(missing)} have to be run", flush=True)
    failed = [_run(replace(settings, seed=seed), target) for seed in missing]
    return [told for told in failed if told]


def _run(settings: Settings, target: Target) -> str:
    """Run one seed; return '' or which one failed, for the rest go on."""
    from redditgnn.run.execution import run  # imports torch and PyG

    try:
        row, _ = run(settings)
    except RunFailed as error:
        print(f"redditgnn: seed {settings.seed}: {error}", file=sys.stderr)
        return f"seed {settings.seed} ({error.status})"
    except UserError:
        raise
    except Exception:
        traceback.print_exc()
        return f"seed {settings.seed} (failed)"
    score = 100 * getattr(row, target.metric)
    print(f"seed {settings.seed:<5}  {score:.2f} %, {row.wall_s:.1f} s", flush=True)
    return ""


def _compared(runs: pd.DataFrame, ours: Sample, target: Target, verdict: Verdict) -> Iterator[str]:
    counts = ", ".join(f"{count} from {file}" for file, count in runs.file.value_counts().items())
    yield f"runs        {counts}"
    mean = _interval(interval_of_mean(ours))
    yield f"ours        {_sample(ours)} % {target.metric}, n={ours.runs}, mean in {mean}"
    runs_told = "number of runs unknown" if target.runs is None else f"n={target.runs}"
    yield f"published   {_sample(target.published)} %, {runs_told}; {target.source}"
    yield f"trust       {target.trust}: {TRUST[target.trust]}{_exactness(verdict)}"
    whose = "ours, for none is published" if target.spread is None else "the published one"
    yield (
        f"difference  {verdict.difference:+.2f}, in {_interval(verdict.interval, '+.2f')}; margin "
        f"{verdict.margin:.2f}: one standard deviation, {whose}"
    )


def _exactness(verdict: Verdict) -> str:
    return (
        "; taken as exact, for the source lacks spread or runs"
        if verdict.published_is_exact
        else ""
    )


def _sample(sample: Sample) -> str:
    spread = "" if sample.deviation is None else f" +- {sample.deviation:.2f}"
    return f"{sample.mean:.2f}{spread}"


def _interval(interval: Interval | None, form: str = ".2f") -> str:
    if interval is None:
        return "[unknown]"
    return f"[{interval.low:{form}}, {interval.high:{form}}]"
