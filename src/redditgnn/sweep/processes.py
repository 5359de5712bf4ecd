"""Jobs on this machine, each in a process that may die without harm to the others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import IO, Any

from redditgnn.runtime import progress
from redditgnn.runtime.signals import describe_exit
from redditgnn.sweep.protocol import Outcome, WorkerDied

GRACE_S = 15.0  # for a run to write its checkpoint and its row
LAST_LINES_S = 5.0  # for the last lines of an ended process, whose children may keep the pipe open


class Worker:
    """One process at a time, started when it is needed, and again after it died."""

    def __init__(self, environment: Mapping[str, str], labels_lines: bool) -> None:
        lines = {progress.LINES: "training"} if labels_lines else {}
        self._environment = {**os.environ, **lines, **environment}
        self._labels_lines = labels_lines
        self._process: subprocess.Popen[bytes] | None = None
        self._relay: threading.Thread | None = None
        self._label = ""

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process if there is none. It does its imports before its first job."""
        if self._process is not None and self._process.poll() is not None:
            self._reap()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from redditgnn.sweep.worker import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if self._labels_lines else None,
                env=self._environment,
                start_new_session=True,  # the sweep passes Ctrl-C on
            )
            if self._process.stderr is not None:
                self._relay = threading.Thread(
                    target=self._relay_lines, args=(self._process.stderr,), daemon=True
                )
                self._relay.start()
        return self._process

    def run(self, request: Mapping[str, Any], label: str) -> Outcome:
        """Have the process run a job, and wait for it.

        Raises:
            WorkerDied: it was killed, or crashed.
        """
        process = self.start()
        self._label = label
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise WorkerDied(f"its process {describe_exit(self._reap())}")
        outcome = Outcome(**json.loads(line))
        if outcome.needs_new_process:
            self.stop()
        return outcome

    def interrupt(self) -> None:
        """Ask the process to write its checkpoint and end."""
        if (process := self._process) is not None:
            process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if (process := self._process) is not None:
            process.kill()

    def stop(self) -> None:
        """End a process that has no job."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def _reap(self) -> int:
        """Wait for the process to end, drop it, and return its exit code."""
        process, self._process = self._process, None
        assert process is not None
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # it has unread requests
                pipe.close()
        if self._relay is not None:
            self._relay.join(LAST_LINES_S)
        return code

    def _relay_lines(self, lines: IO[bytes]) -> None:
        """Print the lines of the process, each after the label of its job."""
        with lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
                sys.stderr.write(f"[{self._label}] {text}\n")  # whole: others write lines, too
                sys.stderr.flush()


class Pool:
    """One worker for each of `environments`, which set its share of the machine."""

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        labels_lines = len(environments) > 1
        self._idle = [Worker(environment, labels_lines) for environment in environments]
        self._all = tuple(self._idle)
        self._pending: dict[Future[Outcome], tuple[Worker, Any]] = {}
        self._threads = ThreadPoolExecutor(len(environments))

    def start(self) -> None:
        """Start all processes now, so that they do their imports while the sweep is planned."""
        for worker in self._all:
            worker.start()

    @property
    def has_room(self) -> bool:
        return bool(self._idle)

    @property
    def is_empty(self) -> bool:
        return not self._pending

    def submit(self, key: Any, request: Mapping[str, Any], label: str) -> None:
        """Give a job to an idle worker."""
        worker = self._idle.pop(0)
        self._pending[self._threads.submit(worker.run, request, label)] = (worker, key)

    def next_outcomes(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Wait for at least one job, and yield key and outcome of all that ended."""
        futures, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in futures:
            worker, key = self._pending.pop(future)
            self._idle.append(worker)
            error = future.exception()
            if error is not None and not isinstance(error, WorkerDied):
                raise error
            yield key, error if isinstance(error, WorkerDied) else future.result()

    def interrupt(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Interrupt all jobs, kill the slow ones, and yield all outcomes."""
        busy = [worker for worker, _ in self._pending.values()]
        for worker in busy:
            worker.interrupt()
        try:
            wait(self._pending, GRACE_S)
        finally:  # also after a second Ctrl-C
            for worker in busy:
                worker.kill()
        while self._pending:
            yield from self.next_outcomes()

    def close(self) -> None:
        """End all processes, and busy ones at once."""
        for worker, _ in self._pending.values():
            worker.kill()
        self._threads.shutdown()
        for worker in self._all:
            worker.stop()
