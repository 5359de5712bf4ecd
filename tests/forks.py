"""Processes for tests that start at once: forks of one in which everything is imported.

A new interpreter imports torch and PyG for some seconds before it does what a test is about. A fork
has its own signals, output, memory and exit code as well. The ancestor of all is forked before
tests are collected: threads that OpenMP and Numba start are not copied, and a fork would wait for
them. The ancestor imports the program itself, at the first request, and runs nothing of it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

# What Python ignores where nothing is set. Pytest turns warnings into errors.
IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
NUMBER = struct.Struct("i")
PROGRAM = (
    *("redditgnn.cli", "redditgnn.command.multirun", "redditgnn.command.train"),
    *("redditgnn.run.execution", "redditgnn.dataset.sbm", "redditgnn.model.sage"),
    *("redditgnn.sampler.neighbor", "redditgnn.sampler.neighbor_numba"),
)


class Fork:
    """A process that runs `redditgnn`, or a script: `program` begins with its path."""

    def __init__(self, program: list[str], status: int, output: Path) -> None:
        self._program, self._status, self._output = program, status, output
        (self.pid,) = NUMBER.unpack(os.read(status, NUMBER.size))
        self.returncode: int | None = None

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._output.with_suffix(".out").read_text()

    @property
    def stderr(self) -> str:
        """What it has written so far."""
        return self._output.with_suffix(".err").read_text()

    def poll(self, timeout: float | None = 0) -> int | None:
        """Return the exit code, None while it runs; wait so many seconds for it, None is ever."""
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            (status,) = NUMBER.unpack(os.read(self._status, NUMBER.size))
            self.returncode = os.waitstatus_to_exitcode(status)
            os.close(self._status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended."""
        if self.poll(timeout) is None:
            raise subprocess.TimeoutExpired(self._program, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Ancestor:
    """The process that forks. It ends with the one that made it."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads. Those of xdist only talk to its controller.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            self._requests.close()
            _serve(theirs)
        theirs.close()

    def fork(self, program: list[str], output: Path) -> Fork:
        """Start `program`, whose output goes to files with this path and .out and .err."""
        ours, theirs = os.pipe()
        paths = (output.with_suffix(suffix) for suffix in (".out", ".err"))
        descriptors = [theirs, *(os.open(path, os.O_CREAT | os.O_WRONLY) for path in paths)]
        request = json.dumps({"program": program, "folder": os.getcwd()}).encode()
        socket.send_fds(self._requests, [request], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return Fork(program, ours, output)

    def close(self) -> None:
        """End it, and not the forks that still run."""
        self._requests.close()
        os.waitpid(self._pid, 0)


def _serve(requests: socket.socket) -> NoReturn:
    """Fork for every request, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guardians: set[int] = set()
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 3)
        for name in PROGRAM if request else ():
            import_module(name)
        guardians -= {pid for pid in guardians if os.waitpid(pid, os.WNOHANG)[0]}
        if not request:
            os._exit(0)
        guardian = os.fork()
        if guardian == 0:
            requests.close()
            _guard(json.loads(request), *descriptors)
        guardians.add(guardian)
        for descriptor in descriptors:
            os.close(descriptor)


def _guard(request: dict[str, Any], status: int, stdout: int, stderr: int) -> NoReturn:
    """Fork once more, and report the number of that process and then how it ended."""
    pid = os.fork()
    if pid == 0:
        os.close(status)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        _run(request)
    os.write(status, NUMBER.pack(pid))
    os.write(status, NUMBER.pack(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _run(request: dict[str, Any]) -> NoReturn:
    """Do what an interpreter does that has just been started, and end as it does."""
    _forget_the_tests()
    os.chdir(request["folder"])
    sys.argv = request["program"]
    code: Any = 0
    try:
        if sys.argv[0] == "redditgnn":
            runpy.run_module("redditgnn", run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ending:
        code = ending.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _forget_the_tests() -> None:
    """Undo what pytest and xdist have changed in this process."""
    sys.stdin, sys.stdout, sys.stderr = map(os.fdopen, (0, 1, 2), "rww")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    atexit._clear()
    warnings.resetwarnings()
    for category in IGNORED:
        warnings.simplefilter("ignore", category)
