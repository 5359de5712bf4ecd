"""Rows of runs.csv: only repetitions are put together, and each seed counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from redditgnn.errors import DataError
from redditgnn.record.reading import files_of, read_runs
from redditgnn.verify.repetitions import find_repetitions, percent_sample, select_fingerprint
from redditgnn.verify.target import Target

HEADER = "status,experiment,seed,config_hash,fingerprint,test_accuracy,test_micro_f1,epoch_median_s"
HASH = "1234567890123456"  # looks like a number
DATA = "edges=10:aaaaaaaa split=1/2/3:bbbbbbbb protocol=transductive evaluator=exact"
OTHER = DATA.replace("aaaaaaaa", "cccccccc")
TARGET = Target(
    metric="test_accuracy",
    percent=79.0,
    spread=None,
    runs=None,
    source="A et al.",
    trust="V",
    fingerprint={"edges": 10, "split": "1/2/3"},
)


def row(
    seed: int,
    accuracy: float | str = 0.5,
    status: str = "completed",
    config_hash: str = HASH,
    fingerprint: str = DATA,
) -> str:
    return f"{status},e,{seed},{config_hash},{fingerprint},{accuracy},0.25,0.1"


def write(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def seeds(path: Path) -> list[str]:
    return list(find_repetitions(read_runs([path]), [HASH], TARGET).seed)


def test_only_completed_runs_of_the_configuration_and_the_data_count(tmp_path: Path) -> None:
    others = [
        row(1, "", "failed"),
        row(2, 0.1, "interrupted"),
        row(3, config_hash="another"),
        row(4, fingerprint=DATA.replace("edges=10", "edges=11")),
        row(5, fingerprint=DATA.replace("1/2/3", "1/2/4")),
        row(6, fingerprint="5c25f5cb259d8177-transductive"),  # as an older version wrote it
        row(7, fingerprint=""),
    ]
    assert seeds(write(tmp_path / "runs.csv", row(0), *others, row(8))) == ["0", "8"]


def test_two_fingerprints_of_one_target_are_not_mixed(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.csv", row(0), row(1), row(2, fingerprint=OTHER))
    assert seeds(path) == ["2"]
    assert list(select_fingerprint(read_runs([path]), DATA).seed) == ["0", "1"]


def test_of_a_seed_that_was_run_twice_the_first_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.csv", row(0, "", "failed"), row(0, 0.25), row(0, 0.75), row(1))
    found = find_repetitions(read_runs([path]), [HASH], TARGET)
    assert list(found.test_accuracy) == [0.25, 0.5]


def test_committed_rows_come_before_those_beside_them(tmp_path: Path) -> None:
    own = write(tmp_path / "runs.csv", row(0, 0.75), row(1))
    committed = write(tmp_path / "reference" / "runs.csv", row(0, 0.25))
    assert files_of(tmp_path) == [committed, own]
    found = find_repetitions(read_runs(files_of(tmp_path)), [HASH], TARGET)
    assert list(found.file) == [str(committed), str(own)]
    assert list(found.test_accuracy) == [0.25, 0.5]


def test_no_file_is_no_row(tmp_path: Path) -> None:
    assert find_repetitions(read_runs(files_of(tmp_path)), [HASH], TARGET).empty


def test_scores_are_percents_of_the_targets_metric(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.csv", row(0, 0.5), row(1, 0.7))
    runs = find_repetitions(read_runs([path]), [HASH], TARGET)
    assert percent_sample(runs, TARGET) == pytest.approx((60.0, 10 * 2**0.5, 2))


def test_a_completed_run_without_a_score_is_refused(tmp_path: Path) -> None:
    runs = read_runs([write(tmp_path / "runs.csv", row(0), row(3, ""))])
    with pytest.raises(DataError, match=f"runs.csv: seed 3 of {HASH} is completed and has no test"):
        percent_sample(runs, TARGET)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEADER.replace("seed", "sed") + "\n", '"'])
def test_a_file_that_is_no_table_of_runs_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="runs.csv") as raised:
        read_runs([path])
    assert "\n" not in str(raised.value)
