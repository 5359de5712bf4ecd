"""Signals that ask the process to end, and a thread that ensures it.

SIGINT (Ctrl-C) and SIGTERM (SLURM's pre-emption) raise KeyboardInterrupt, except in the training
loop. The loop leaves at its next boundary, with a checkpoint. Python runs handlers only between two
instructions of the main thread, which one operator may keep busy for minutes. So the signal itself
wakes a separate thread, which ends the process when time is up.
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
from typing import Any, Protocol, runtime_checkable

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BOUNDARY_S = 5.0  # time for the training loop to reach a boundary
FORCED_S = 8.0  # after the signal the process ends, whatever the main thread does
AT_ONCE_S = 1.0  # the same after a second signal
OVER = 0  # wakes the thread when there is nothing left to watch, since no signal has number 0


@runtime_checkable
class Stop(Protocol):
    """A request to end, which `leave` obeys.

    Attributes:
        is_requested: Whether a signal has come.
    """

    is_requested: bool

    def leave(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        ...


class Interruption:
    """Handles both signals inside its context, in the main thread only.

    Raises KeyboardInterrupt once, so that the clean-up is not interrupted. `last_words` is called
    before the process is ended by force, in another thread than the main one.

    Attributes:
        is_requested: Whether a signal has come.
    """

    def __init__(self, last_words: Callable[[], object]) -> None:
        self.is_requested = False
        self._last_words, self._is_deferred, self._is_raised = last_words, False, False

    def __enter__(self) -> Interruption:
        self._is_watched = threading.current_thread() is threading.main_thread()
        if self._is_watched:
            self._receiver, sender = socket.socketpair()
            sender.setblocking(False)
            self._sender = sender
            # A shell's background jobs ignore SIGINT, and this must stay so.
            active = [
                signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN
            ]
            self._old_handlers: dict[signal.Signals, Any] = {
                signum: signal.signal(signum, self._handle) for signum in active
            }
            self._old_wakeup_fd = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
            self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_watched:
            return
        self._is_raised = True  # a signal that comes now is too late
        signal.set_wakeup_fd(self._old_wakeup_fd)
        for signum, handler in self._old_handlers.items():
            signal.signal(signum, handler)
        self._sender.setblocking(True)
        self._sender.sendall(bytes([OVER]))
        self._thread.join()
        self._receiver.close()
        self._sender.close()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the enclosed block continue after a signal, until it calls `leave` or time is up."""
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

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        is_repeated, self.is_requested = self.is_requested, True
        if is_repeated or not self._is_deferred:
            self._raise()

    def _raise(self) -> None:
        if not self._is_raised:
            self._is_raised = True
            raise KeyboardInterrupt

    def _watch(self) -> None:
        if self._receive(None) == OVER:
            return
        start = time.monotonic()
        signum = self._receive(start + BOUNDARY_S)
        if signum is None:
            _thread.interrupt_main(next(iter(self._old_handlers)))  # as a second signal
        deadline = start + FORCED_S if signum is None else time.monotonic() + AT_ONCE_S
        while signum != OVER and (signum := self._receive(deadline)) is not None:
            pass
        if signum is None:
            self._end_by_force()

    def _receive(self, deadline: float | None) -> int | None:
        """Return the number of the next signal, OVER, or None if neither comes by `deadline`."""
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return None
            self._receiver.settimeout(remaining)
            try:
                signum = self._receiver.recv(1)[0]
            except TimeoutError:
                return None
            if signum == OVER or signum in SIGNALS:  # other handlers wake this thread as well
                return signum

    def _end_by_force(self) -> None:
        try:
            self._last_words()
            print("redditgnn: interrupted", file=sys.stderr, flush=True)
        finally:
            os._exit(130)


def _disable_wakeup() -> None:
    """Stop a forked process, which Ctrl-C reaches too, from waking the thread of this one."""
    signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disable_wakeup)
