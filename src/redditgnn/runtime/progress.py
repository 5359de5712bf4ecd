"""How far long work is: a bar on a terminal, or lines where several jobs share one."""

from __future__ import annotations

import os
import sys
import threading
import time

from tqdm import tqdm

LINES = "REDDITGNN_PROGRESS_LINES"
"""Environment variable: a name of the job, set where several jobs write to one stream."""

SECONDS_A_LINE = 10.0
tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a killed process would leave
FORM = "{desc}: {percentage:3.0f}%, {elapsed} spent, {remaining} left, {rate_fmt}{postfix}"


class _Lines(tqdm):
    """The bar as a line of its own, now and then."""

    _due = 0.0

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        now = time.monotonic()
        if msg is None and self.n > self.initial and now >= self._due:  # '' would wipe the bar out
            print(self, file=sys.stderr, flush=True)
            self._due = now + SECONDS_A_LINE
        return False


def progress_bar(total: int, done: int, unit: str = "step", *, is_silent: bool = False) -> tqdm:
    """Return a bar over `total` units of which `done` are done; it is silent in files and pipes.

    With `REDDITGNN_PROGRESS_LINES=NAME` it is instead a line with NAME every 10 seconds.
    """
    job = os.environ.get(LINES)
    if job is None or is_silent:
        disable = True if is_silent else None
        return tqdm(total=total, initial=done, unit=unit, disable=disable, leave=False)
    return _Lines(
        total=total,
        initial=done,
        desc=job,
        unit=unit,
        leave=False,
        bar_format=FORM,
    )
