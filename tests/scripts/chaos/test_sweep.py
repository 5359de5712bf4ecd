"""A sweep whose processes are killed at random."""

from __future__ import annotations

import pytest

from scripts.chaos import sweep


@pytest.mark.slow
def test_a_sweep_that_is_killed_again_and_again_loses_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert sweep.main(["--kills", "4", "--seeds", "2", "--jobs", "2"]) == 0
