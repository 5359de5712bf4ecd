"""Jobs on this machine, each in a process that may be killed without harm to the others."""

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

from redditgnn.sweep.protocol import Outcome, WorkerDied
from redditgnn.trainer import progress

GRACE_S = 15.0  # for a run to write its checkpoint and its row
LAST_LINES_S = 5.0  # for what an ended process had printed; its children may keep the pipe open


class Worker:
    """One process at a time, started when it is needed, and again after it died."""

    def __init__(self, environment: Mapping[str, str], tells_whose_lines: bool) -> None:
        lines = {progress.LINES: "training"} if tells_whose_lines else {}
        self._environment = {**os.environ, **lines, **environment}
        self._tells = tells_whose_lines
        self._process: subprocess.Popen[bytes] | None = None
        self._relay: threading.Thread | None = None
        self._label = ""

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process if there is none: it imports what it needs before its first job."""
        if self._process is not None and self._process.poll() is not None:
            self._ended()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from redditgnn.sweep.worker import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if self._tells else None,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is the sweep's to pass on
            )
            if self._process.stderr is not None:
                self._relay = threading.Thread(
                    target=self._pass_on, args=(self._process.stderr,), daemon=True
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
            raise WorkerDied(_cause(self._ended()))
        outcome = Outcome(**json.loads(line))
        if outcome.leaves_a_doubt:
            self.stop()
        return outcome

    def interrupt(self) -> None:
        """Have it write its checkpoint and end."""
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
        self._ended()

    def _ended(self) -> int:
        """Wait for the end of the process, forget it, and return its exit code."""
        process, self._process = self._process, None
        assert process is not None
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what it never read
                pipe.close()
        if self._relay is not None:
            self._relay.join(LAST_LINES_S)
        return code

    def _pass_on(self, lines: IO[bytes]) -> None:
        """Print what the process prints, each line behind the job that it belongs to."""
        with lines:
            for line in lines:
                told = line.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
                print(f"[{self._label}] {told}", file=sys.stderr, flush=True)


class Pool:
    """As many workers as `environments`, which tell them what share of the machine is theirs."""

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        tells = len(environments) > 1
        self._idle = [Worker(environment, tells) for environment in environments]
        self._all = tuple(self._idle)
        self._pending: dict[Future[Outcome], tuple[Worker, Any]] = {}
        self._threads = ThreadPoolExecutor(len(environments))

    def start(self) -> None:
        """Start all processes now: they import what they need while the sweep is planned."""
        for worker in self._all:
            worker.start()

    @property
    def has_room(self) -> bool:
        return bool(self._idle)

    @property
    def is_empty(self) -> bool:
        return not self._pending

    def submit(self, key: Any, request: Mapping[str, Any], label: str) -> None:
        """Give a job to a worker that has none."""
        worker = self._idle.pop(0)
        self._pending[self._threads.submit(worker.run, request, label)] = (worker, key)

    def finished(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Wait for at least one job; yield key and outcome of all that ended."""
        ended, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in ended:
            worker, key = self._pending.pop(future)
            self._idle.append(worker)
            error = future.exception()
            if error is not None and not isinstance(error, WorkerDied):
                raise error
            yield key, error if isinstance(error, WorkerDied) else future.result()

    def interrupt(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Interrupt all jobs; yield how they ended, those killed that need too long."""
        busy = [worker for worker, _ in self._pending.values()]
        for worker in busy:
            worker.interrupt()
        try:
            wait(self._pending, GRACE_S)
        finally:  # a second Ctrl-C comes here, too
            for worker in busy:
                worker.kill()
        while self._pending:
            yield from self.finished()

    def close(self) -> None:
        """End all processes, those with a job at once."""
        for worker, _ in self._pending.values():
            worker.kill()
        self._threads.shutdown()
        for worker in self._all:
            worker.stop()


def _cause(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = "; perhaps by the system, for want of memory" if name == "SIGKILL" else ""
    return f"its process was killed by signal {-code} ({name}){hint}"
