"""The report links the diagnosis of the best configuration, or says how to make one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.report.diagnosis import diagnosis_of
from redditgnn.report.grouping import Material
from redditgnn.report.summary import Summary, summary_of


@pytest.fixture
def summary(row: Callable[..., dict], material: Callable[[list[dict]], Material]) -> Summary:
    """A better and a worse configuration, with two seeds each."""
    rows = [row(name, seed, test) for name, test in (("a", 0.7), ("b", 0.8)) for seed in (0, 1)]
    return summary_of(material(rows).groups[0])


def keep_weights(results_dir: Path, run_id: str, finding: str | None = None) -> None:
    folder = results_dir / "runs" / run_id
    folder.mkdir(parents=True)
    (folder / "best.pt").touch()
    if finding is not None:
        (folder / "diagnosis").mkdir()
        (folder / "diagnosis" / "index.html").touch()
        (folder / "diagnosis" / "finding.txt").write_text(f"{finding}\n")


def test_rows_without_folders_have_nothing_to_diagnose(summary: Summary, tmp_path: Path) -> None:
    assert diagnosis_of(summary, tmp_path / "report") is None


def test_the_run_of_the_best_configuration_that_was_diagnosed_is_linked(
    summary: Summary, tmp_path: Path
) -> None:
    for name in ("a-0", "b-1"):
        keep_weights(tmp_path, f"run-{name}", f"finding on {name}")
    keep_weights(tmp_path, "run-b-0")
    diagnosis = diagnosis_of(summary, tmp_path / "reports" / "new one")
    assert diagnosis is not None
    assert (diagnosis.run_id, diagnosis.finding) == ("run-b-1", "finding on b-1")
    assert diagnosis.link == "../../runs/run-b-1/diagnosis/index.html"


def test_a_best_run_without_a_diagnosis_can_have_one(summary: Summary, tmp_path: Path) -> None:
    keep_weights(tmp_path, "run-b-0")
    diagnosis = diagnosis_of(summary, tmp_path / "report")
    assert diagnosis == ("run-b-0", str(tmp_path), "", "")
