"""A process that runs jobs one after the other: requests come in on stdin, outcomes go to stdout.

Both are JSON, a line each. What a run prints goes to stderr. When stdin ends the sweep is gone, or
wants no more: a run that is under way is then interrupted, as by SIGTERM.
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
    """Serve until stdin ends, or until a signal says so."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcomes = _own_stdout()
    requests: Requests = queue.SimpleQueue()
    at_work = threading.Event()
    threading.Thread(target=_listen, args=(requests, at_work), daemon=True).start()
    hide_third_party_warnings()
    log_to_stderr()
    try:
        import redditgnn.run.execution  # noqa: F401  # once for all jobs, while the sweep still plans
        from redditgnn.sweep.protocol import done

        while (request := requests.get()) is not None:
            at_work.set()
            outcome = done(request)
            at_work.clear()
            print(json.dumps(asdict(outcome)), file=outcomes, flush=True)
            if outcome.status == "interrupted":
                break
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    sys.stderr.flush()
    os._exit(0)  # at once: threads of libraries may be waiting for a device that failed


def _own_stdout() -> TextIO:
    """Return what was stdout, for us alone: others' prints go to stderr from now on."""
    mine = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return mine


def _listen(requests: Requests, at_work: threading.Event) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    if at_work.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
    requests.put(None)
