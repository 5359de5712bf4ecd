"""Measurements in a process of their own, which may run out of memory or of time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from signal import SIGKILL
from typing import Any


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a module in a new process and return the JSON object in the last line that it prints.

    The process imports from where this one does. If it did not complete, the object has only
    `status` (oom, timeout or failed) and `note`.
    """
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    variables = {**os.environ, **(environment or {}), "PYTHONPATH": path}
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=variables
        )
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "note": f"not done after {timeout_s:g} s"}
    if process.returncode != 0:
        return _failure(process)
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


def _failure(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return status and note of a process that ended otherwise than with 0.

    SIGKILL is what the kernel sends when memory runs out; any other end is a mistake somewhere.
    """
    if process.returncode == -SIGKILL:
        return {"status": "oom", "note": "killed by the kernel"}
    last = (process.stderr.strip().splitlines() or ["no message"])[-1]
    return {"status": "failed", "note": f"exit code {process.returncode}: {last}"}
