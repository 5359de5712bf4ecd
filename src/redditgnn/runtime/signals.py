"""Signals that ask the process to end, and what sees to it that it does.

SIGINT (Ctrl-C) and SIGTERM (SLURM's pre-emption) raise KeyboardInterrupt, except in the training
loop: it is told, and leaves at its next boundary with a checkpoint. Python runs handlers only
between two instructions of the main thread, which one operator may keep busy for minutes. So a
thread of its own is woken by the signal itself, and ends the process when time is up.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BOUNDARY_S = 5.0  # how long a boundary of the training loop is waited for
FORCED_S = 8.0  # behind the signal: the process is ended, whatever the main thread does
AT_ONCE_S = 1.0  # the same behind a second signal
OVER = 0  # what wakes the thread when there is nothing left to watch; no signal has number 0


class Interruption:
    """Handles both signals while it is entered; elsewhere than in the main thread it does nothing.

    Raises KeyboardInterrupt once, so that what it unwinds is not itself interrupted. `last_words`
    is called before the process is ended by force, in another thread than the main one.

    Attributes:
        is_requested: Whether a signal has come.
    """

    def __init__(self, last_words: Callable[[], object]) -> None:
        self.is_requested = False
        self._last_words, self._is_deferred, self._is_raised = last_words, False, False

    def __enter__(self) -> Interruption:
        self._is_watched = threading.current_thread() is threading.main_thread()
        if self._is_watched:
            self._ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            self._theirs = theirs
            # A shell's background jobs ignore SIGINT: that is to stay so.
            heard = [sent for sent in SIGNALS if signal.getsignal(sent) is not signal.SIG_IGN]
            self._before: dict[signal.Signals, Any] = {
                sent: signal.signal(sent, self._handle) for sent in heard
            }
            self._fd_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_watched:
            return
        self._is_raised = True  # a signal that comes now is too late
        signal.set_wakeup_fd(self._fd_before)
        for sent, handler in self._before.items():
            signal.signal(sent, handler)
        self._theirs.setblocking(True)
        self._theirs.sendall(bytes([OVER]))
        self._thread.join()
        self._ours.close()
        self._theirs.close()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what is enclosed go on behind a signal, until it calls `leave` or time is up."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        self.leave()

    def leave(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.is_requested:
            self._raise()

    def _handle(self, sent: int, frame: FrameType | None) -> None:
        again, self.is_requested = self.is_requested, True
        if again or not self._is_deferred:
            self._raise()

    def _raise(self) -> None:
        if not self._is_raised:
            self._is_raised = True
            raise KeyboardInterrupt

    def _watch(self) -> None:
        if self._next(None) == OVER:
            return
        first = time.monotonic()
        again = self._next(first + BOUNDARY_S)
        if again is None:
            _thread.interrupt_main(next(iter(self._before)))  # as a second signal
        end = first + FORCED_S if again is None else time.monotonic() + AT_ONCE_S
        while again != OVER and (again := self._next(end)) is not None:
            pass
        if again is None:
            self._end_by_force()

    def _next(self, end: float | None) -> int | None:
        """Return the number of the signal that comes before `end`, OVER, or None in time."""
        while True:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._ours.settimeout(left)
            try:
                told = self._ours.recv(1)[0]
            except TimeoutError:
                return None
            if told == OVER or told in SIGNALS:  # other handlers wake this thread as well
                return told

    def _end_by_force(self) -> None:
        try:
            self._last_words()
            print("redditgnn: interrupted", file=sys.stderr, flush=True)
        finally:
            os._exit(130)


def _forget() -> None:
    """Keep a forked process, to which Ctrl-C goes too, from waking the thread of this one."""
    signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
