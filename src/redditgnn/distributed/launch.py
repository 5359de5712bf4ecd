"""Starts the processes of a run on this machine, and sees that none is left.

They are forks of a server that has imported everything once, where the platform has that. Each has
a session of its own: the terminal's Ctrl-C reaches only their parent, which passes it on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from redditgnn.distributed.environment import Place
from redditgnn.distributed.reports import Report, Reports
from redditgnn.errors import RedditGNNError
from redditgnn.runtime.signals import SIGNALS, describe_exit

GRACE_S = 15.0  # after one process has ended: for the others to write a checkpoint and the row
HOST = "127.0.0.1"
OWN_STORE = {"TORCHELASTIC_USE_AGENT_STORE": "True"}  # the parent serves it, and not rank 0


class ProcessBug(Exception):
    """An error in a process that nobody foresaw. The text is its traceback there."""


class Ended(NamedTuple):
    """How a process ended: its exit code, what it returned or raised, and what it printed."""

    rank: int
    code: int
    answer: Any
    error: BaseException | None
    output: str


def run_processes(
    work: Callable[..., Any], arguments: tuple[Any, ...], size: int, preload: str
) -> list[Ended]:
    """Call `work` in `size` processes at once, and return how each of them ended.

    The first that ends early has `GRACE_S` until the others are killed. `preload` is the module
    that a server imports for all of them.
    """
    context = _context(preload)
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    threads = max(1, torch.get_num_threads() // size)
    with TemporaryDirectory(prefix="redditgnn-") as folder:
        places = (Place(number, size, number) for number in range(size))
        ranks = [_Rank(context, Path(folder), place, store.port, threads) for place in places]
        with _signals_to(ranks):
            for rank in ranks:
                rank.start(work, arguments)
            _wait_for(ranks, Reports(store))
        return [rank.ended() for rank in ranks]


class _Rank:
    """One process."""

    def __init__(self, context: Any, folder: Path, place: Place, port: int, threads: int) -> None:
        self.place, self._context, self._threads = place, context, threads
        self._output, self._port = folder / f"{place.rank}.txt", port
        self._answers, self._sender = context.Pipe(duplex=False)
        self.process: Any = None

    def start(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        environment = self.place.environment(HOST, self._port) | OWN_STORE
        seat = _Seat(self.place.rank, environment, self._threads, str(self._output))
        self.process = self._context.Process(
            target=_work_in, args=(seat, self._sender, work, arguments)
        )
        self.process.start()
        self._sender.close()

    def ended(self) -> Ended:
        try:
            answer, error = self._answers.recv() if self._answers.poll() else (None, None)
        except EOFError:
            answer = error = None
        output = self._output.read_text(errors="replace") if self._output.exists() else ""
        return Ended(self.place.rank, self.process.exitcode, answer, error, output)


class _Seat(NamedTuple):
    rank: int
    environment: dict[str, str]
    threads: int
    output: str


def _context(preload: str) -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context


def _work_in(
    seat: _Seat, answers: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Be one of the processes: work, and send what comes of it to the parent."""
    if hasattr(os, "setsid"):
        os.setsid()
    os.environ.update(seat.environment)
    torch.set_num_threads(seat.threads)
    _redirect(seat)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answers.send((work(*arguments), None))
    except BaseException as error:
        if not isinstance(error, (RedditGNNError, KeyboardInterrupt)):
            error = ProcessBug(f"process {seat.rank}:\n{traceback.format_exc()}")
        with suppress(BrokenPipeError):  # the parent is gone
            answers.send((None, error))
        sys.stderr.flush()
        os._exit(1)


def _redirect(seat: _Seat) -> None:
    """Put into a file what this process prints. Python's own output of rank 0 stays where it was.

    Libraries print by themselves, for example when a peer is gone.
    """
    output = os.open(seat.output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    if seat.rank == 0:
        sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", buffering=1) for n in (1, 2))
    for descriptor in (1, 2):
        os.dup2(output, descriptor)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for(ranks: list[_Rank], reports: Reports) -> None:
    """Wait until all have ended. The time of those that the first one left behind is limited."""
    deadline: float | None = None
    while running := [rank for rank in ranks if rank.process.is_alive()]:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        wait([rank.process.sentinel for rank in running], left)
        for rank in running:
            code = rank.process.exitcode
            if code is not None and code < 0:
                reports.add(Report(rank.place.rank, "failed", describe_exit(code)))
            if code not in (None, 0) and deadline is None:
                deadline = time.monotonic() + GRACE_S
        if deadline is not None and time.monotonic() >= deadline:
            for rank in running:
                rank.process.kill()
    for rank in ranks:
        rank.process.join()


@contextmanager
def _signals_to(ranks: list[_Rank]) -> Iterator[None]:
    """Pass the signals that ask this process to end on to `ranks`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        for rank in ranks:
            if rank.process is not None and rank.process.is_alive():
                os.kill(rank.process.pid, signal.SIGTERM)

    active = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in active}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
