"""A process of its own: whatever happens to it, there is an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.timing.processes import run_module

MODULE = """
import os, sys, time
os.environ.get("MOOD") == "killed" and os.kill(os.getpid(), 9)
os.environ.get("MOOD") == "slow" and time.sleep(100)
os.environ.get("MOOD") == "broken" and sys.exit("no such thing")
print("chatter")
print('{"status": "completed", "words": "%s"}' % " ".join(sys.argv[1:]))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "moody.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "moody"


def test_the_last_line_is_the_answer(module: str) -> None:
    assert run_module(module, ["a", "b"]) == {"status": "completed", "words": "a b"}


@pytest.mark.parametrize(
    ("mood", "status", "note"),
    [
        ("killed", "oom", "killed by the kernel"),
        ("slow", "timeout", "not done after 2 s"),
        ("broken", "failed", "exit code 1: no such thing"),
    ],
)
def test_a_process_that_does_not_complete_has_a_status_and_a_note(
    module: str, mood: str, status: str, note: str
) -> None:
    answer = run_module(
        module, [], timeout_s=2 if mood == "slow" else 60, environment={"MOOD": mood}
    )
    assert answer == {"status": status, "note": note}
