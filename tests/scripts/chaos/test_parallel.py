"""A run whose processes are killed at random."""

from __future__ import annotations

import pytest

from scripts.chaos import parallel


@pytest.mark.slow
@pytest.mark.parametrize("kind", parallel.KINDS)
def test_a_run_whose_processes_are_killed_again_and_again_ends_as_if_nobody_had_been(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert parallel.main(["--kills", "2", "--only", kind, "--patience-s", "40"]) == 0
