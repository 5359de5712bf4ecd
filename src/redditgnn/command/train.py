"""Train one model, or a sweep of them, and append a row for each run to results_dir/runs.csv.

usage: redditgnn train [-m | --dry-run | --profile] [GROUP=OPTION ...] [KEY=VALUE ...]

examples:
  redditgnn train dataset=pubmed model=gat sampler=full
  redditgnn train -m dataset=sbm dataset.scale=0.02 model=sage,gcn seed=0,1,2

groups   dataset, model, sampler, optimizer, scheduler, trainer, experiment, embedding,
         protocol=transductive|inductive|temporal  parallel=none|data|partition ('redditgnn list')
keys     seed  device=auto|cpu|cuda|cuda:1  data_dir  results_dir
         and those of each group: model.hidden_channels, sampler.batch_size, trainer.epochs, ...
-m       run every combination of the values that are separated by commas; skip those that runs.csv
         has as completed. sweep=NAME  sweep.jobs=N  sweep.rerun=true  sweep.search=optuna  ...
         (docs/sweeps.md)
--dry-run            print what the run would be, and whether it fits in memory, and stop
--profile            take ten steps, print what each phase and operator takes, and write a trace
--cfg job            print the configuration and stop
--config-dir DIR     look for options of your own in DIR/model/*.yaml, DIR/dataset/*.yaml, ...
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from redditgnn import CONF_DIR
from redditgnn.command import multirun
from redditgnn.command.options import existing_folder
from redditgnn.config.compose import (
    check_overrides,
    compose_experiment,
    one_line,
    prepare_overrides,
)
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, RunFailed, UserError
from redditgnn.metric.base import monitored_metric
from redditgnn.record.ages import describe_ages
from redditgnn.record.rows import cells_of
from redditgnn.runtime.logs import log_to_stderr

DRY_RUN, PROFILE = "--dry-run", "--profile"
HYDRA_ONLY = ("config_name", "config_path", "experimental_rerun", "hydra_help")
MONITORED = "monitored"  # stands for the columns of the metric that chose the epoch
COLUMNS = (
    *("status", "dataset", "model", "sampler", "seed", "protocol", "epochs", "best_epoch"),
    *("val_micro_f1", "test_micro_f1", "test_macro_f1", MONITORED),
    *("epoch_median_s", "train_s", "eval_s"),
    *("wall_s", "peak_rss_mib", "peak_cuda_allocated_mib"),
)


def main(argv: list[str]) -> int:
    """Run what `argv` describes; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the run leaves its row
    if set(argv) & {*multirun.FLAGS}:
        return multirun.main(argv)
    refuse_sweeps(argv)
    actions = {DRY_RUN: describe_one, PROFILE: profile_one}
    flags = flags_first([argument for argument in argv if argument not in actions])
    arguments = read_flags(flags)
    if arguments.cfg or arguments.info or arguments.shell_completion:
        check_overrides(arguments.overrides)
        return show(flags)
    log_to_stderr()
    folder = arguments.config_dir
    settings, _ = compose_experiment(arguments.overrides, folder and Path(folder))
    action = next((actions[argument] for argument in argv if argument in actions), train_one)
    return exit_code_of(partial(action, settings))


def show(flags: Sequence[str]) -> int:
    """Let Hydra print the configuration, or what else its own flags ask for."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # its errors reach cli.py, which describes them
    sys.argv = ["redditgnn train", *prepare_overrides(flags)]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="train")(_no_task)()
    except ValueError as error:  # about files that are not text or not a list
        raise ConfigError(one_line(error)) from error
    return 0


def _no_task(config: DictConfig) -> None:
    raise AssertionError("Hydra was asked to show something, not to run")


def refuse_sweeps(argv: Sequence[str]) -> None:
    """Refuse keys of a sweep in a single run."""
    for argument in argv:
        if argument.lstrip("+~").split("=")[0].split(".")[0] == "sweep" and "--cfg" not in argv:
            raise UserError(f"{argument}: one run is no sweep; add -m, or leave it out")


def flags_first(argv: list[str]) -> list[str]:
    """Move overrides after flags such as -m, because Hydra's parser takes them in one block."""

    def is_override(argument: str) -> bool:
        return argument.startswith("~") or ("=" in argument and not argument.startswith("-"))

    return sorted(argv, key=is_override)  # stable: flags and overrides keep their order


def read_flags(argv: list[str]) -> Namespace:
    """Read the arguments as Hydra does; refuse in one line what Hydra answers with a page.

    Raises:
        UserError: there is no such flag, or it lacks its value.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; see 'redditgnn train --help'")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    arguments: Namespace = parser.parse_args(argv)
    for name in HYDRA_ONLY:
        if getattr(arguments, name):
            refuse(f"--{name.replace('_', '-')} is no option of redditgnn")
    existing_folder(arguments.config_dir)
    return arguments


def exit_code_of(action: Callable[[], None]) -> int:
    """Run `action`, print the error that it raises, and return the exit code."""
    try:
        action()
    except (UserError, RunFailed) as error:
        print(f"redditgnn: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 3
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def train_one(settings: Settings) -> None:
    """Train once."""
    # They import torch and PyG, which a mistake need not await.
    from redditgnn.run.execution import run
    from redditgnn.run.parallel import speaks

    row, path = run(settings)
    if not speaks(settings):
        return
    print(table(cells_of(row)))
    ages = describe_ages(path.parent / "runs" / row.run_id, _monitored(row.hyperparameters))
    if ages is not None:
        print(ages)
    print(f"run {row.run_id} is the last row of {path}")


def describe_one(settings: Settings) -> None:
    """Print what a run would be."""
    from redditgnn.command.dry_run import describe_run

    print(describe_run(settings))


def profile_one(settings: Settings) -> None:
    """Profile the steps that a run would take."""
    from redditgnn.command.profile import describe_profile

    print(describe_profile(settings))


def table(row: Mapping[str, Any]) -> str:
    """Format the columns of a run that a reader looks for first, except those without a value."""
    scores = [f"{split}_{_monitored(row['hyperparameters'])}" for split in ("val", "test")]
    groups = (scores if name == MONITORED else [name] for name in COLUMNS)
    names = dict.fromkeys(name for group in groups for name in group)
    cells = {name: row[name] for name in names if row[name] is not None}
    width = max(map(len, cells))
    return "\n".join(f"{name:{width}}  {_format_value(value)}" for name, value in cells.items())


def _monitored(hyperparameters: str) -> str:
    """Return the name of the metric that chose the best epoch."""
    return monitored_metric(json.loads(hyperparameters).get("trainer.monitor")).name


def _format_value(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
