"""A run in processes that this one starts, on one machine."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from redditgnn.config.settings import Settings
from redditgnn.distributed.launch import Ended, ProcessBug, run_processes
from redditgnn.errors import TeamFailed, UserError
from redditgnn.record.rows import RunRow
from redditgnn.run.row import RunRecord, row_at_start
from redditgnn.runtime.hardware import resolve_device
from redditgnn.runtime.logs import hide_third_party_warnings, log_to_stderr
from redditgnn.runtime.signals import describe_exit
from redditgnn.tracker.base import SafeTracker
from redditgnn.tracker.none import NoTracker

LAST_LINES = 40  # of a process that died


def launch(settings: Settings) -> tuple[RunRow, Path]:
    """Run `settings` in processes of this machine, as `redditgnn.run.execution.run` does in one.

    Raises:
        UserError: nothing was run, nothing recorded.
        RunFailed: the run ended early; its row says why.
        ProcessBug: a process met an error that nobody foresaw.
        KeyboardInterrupt: a signal came; a checkpoint was written if the training had begun.
    """
    assert settings.parallel.processes != "auto"
    arguments = settings, sys.argv, logging.getLogger().level
    ended = run_processes(
        _run_one, arguments, settings.parallel.processes, "redditgnn.run.execution"
    )
    if ended[0].error is None and ended[0].answer is not None:
        row, path = ended[0].answer
        return row, path
    raise _error_of(settings, ended)


def _run_one(settings: Settings, argv: list[str], log_level: int) -> tuple[RunRow, Path]:
    from redditgnn.run.execution import run

    sys.argv = argv  # for run.json
    hide_third_party_warnings()
    log_to_stderr()
    logging.getLogger().setLevel(log_level)
    return run(settings)


def _error_of(settings: Settings, ended: list[Ended]) -> BaseException:
    """Return the error that ended the run, and write its row if rank 0 could not."""
    for process in ended:
        if process.error is None and process.answer is None:
            print(*process.output.splitlines()[-LAST_LINES:], sep="\n", file=sys.stderr)
        if isinstance(process.error, ProcessBug):
            return process.error
    first, *others = ended
    if first.error is not None:  # it has heard of what happened elsewhere, and has written the row
        return first.error
    for other in others:
        if isinstance(other.error, (UserError, KeyboardInterrupt)):
            return other.error
    error = TeamFailed(f"process 0 {describe_exit(first.code)}")
    _record_failure(settings, str(error))
    return error


def _record_failure(settings: Settings, text: str) -> None:
    """Append the row of a run whose rank 0 died."""
    device = resolve_device(settings.device)
    row, tracker = row_at_start(settings, device), SafeTracker(NoTracker())
    record = RunRecord(row, Path(settings.results_dir), device, tracker)
    record.record("failed", text)
