"""A process that runs jobs one after the other: requests come from stdin, outcomes go to stdout.

Both are JSON, a line each. The output of a run goes to stderr. When stdin ends, the sweep is gone
or has no more jobs. A current run is then interrupted, as by SIGTERM.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any, TextIO

from redditgnn.runtime.logs import hide_third_party_warnings, log_to_stderr

Requests = queue.SimpleQueue[dict[str, Any] | None]


def main() -> None:
    """Serve until stdin ends or a signal comes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcomes = _claim_stdout()
    requests: Requests = queue.SimpleQueue()
    is_busy = threading.Event()
    threading.Thread(target=_listen, args=(requests, is_busy), daemon=True).start()
    hide_third_party_warnings()
    log_to_stderr()
    try:
        import redditgnn.run.execution  # noqa: F401  # once for all jobs, while the sweep still plans
        from redditgnn.sweep.protocol import run_request

        while (request := requests.get()) is not None:
            is_busy.set()
            outcome = run_request(request)
            is_busy.clear()
            print(json.dumps(asdict(outcome)), file=outcomes, flush=True)
            if outcome.status == "interrupted":
                break
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    sys.stderr.flush()
    os._exit(0)  # at once: threads of libraries may be waiting for a device that failed


def _claim_stdout() -> TextIO:
    """Return the old stdout for outcomes only, and redirect other output to stderr."""
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return stdout


def _listen(requests: Requests, is_busy: threading.Event) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    if is_busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
    requests.put(None)
