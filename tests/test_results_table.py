"""README.md's table: the completed rows of runs.csv, compared as published, and never stale."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def load_script() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "results_table.py"
    spec = importlib.util.spec_from_file_location("results_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


table = load_script()
COLUMNS = (
    "status,dataset,model,sampler,experiment,seed,fingerprint,config_hash,commit,dirty,"
    "torch_version,pyg_version,device_name,val_accuracy,test_accuracy,epoch_median_s"
)
README = f"# Title\n\n{table.BEGIN}\nold\n{table.END}\n\nThe rest.\n"
YAML = """\
# @package _global_
target: {{metric: test_accuracy, percent: {percent}, spread: {spread}, source: "A et al., table 2"}}
"""


def row(
    seed: int,
    accuracy: float | str,
    seconds: float | str = 0.5,
    status: str = "completed",
    experiment: str = "e",
    fingerprint: str = "f1",
    config_hash: str = "1234567890123456",
    device_name: str = "Some CPU",
) -> str:
    return (
        f"{status},pubmed,gcn,full,{experiment},{seed},{fingerprint},{config_hash},0123456789,False,"
        f"2.13.0,2.8.1,{device_name},0.99,{accuracy},{seconds}"
    )


def checkout(
    root: Path, *rows: str, percent: float = 79.0, spread: float | str = 0.7, also: str = "e"
) -> Path:
    """Lay out a repository with two experiments at most, `e` and `also`."""
    for folder in ("conf/experiment", "results/reference"):
        (root / folder).mkdir(parents=True)
    for name in {"e", also}:
        path = root / "conf" / "experiment" / f"{name}.yaml"
        path.write_text(YAML.format(percent=percent, spread=spread))
    (root / table.RUNS).write_text("\n".join([COLUMNS, *rows, ""]))
    (root / "README.md").write_text(README)
    return root


def cells(readme: Path, experiment: str = "e") -> list[str]:
    lines = readme.read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(f"| {experiment} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_mean_deviation_and_median_are_those_computed_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Squared deviations of 78, 79, 81 from 238/3: (16 + 1 + 25) / 9; halved and rooted, 1.5275.
    checkout(tmp_path, row(0, 0.78, 0.1), row(1, 0.79, 0.25), row(2, 0.81, 9), percent=79.3)
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md") == [
        *("e", "pubmed / gcn / full", "79.3 ± 0.7 (A et al., table 2)", "79.33 ± 1.53"),
        *("3", "within (+0.03)", "0.25"),
    ]
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Title\n\n<!--")
    assert text.endswith("-->\n\nThe rest.\n")
    assert capsys.readouterr().out in text


@pytest.mark.parametrize(
    ("percent", "spread", "told"),
    [
        (79.7, 0.7, "within (-0.70)"),  # 79.7 - 0.7 is less than 79.0 in decimals only
        (79.71, 0.7, "below (-0.71)"),
        (78.0, 0.7, "above (+1.00)"),
        (80.4, "null", "within (-1.40)"),  # our own deviation of 78 and 80 is 1.4142
        (80.5, "null", "below (-1.50)"),
    ],
)
def test_the_published_deviation_decides_and_ours_where_there_is_none(
    tmp_path: Path, percent: float, spread: float | str, told: str
) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), percent=percent, spread=spread)
    assert table.main([], tmp_path) == 0
    found = cells(tmp_path / "README.md")
    assert found[3:6] == ["79.00 ± 1.41", "2", told]
    assert ("\\*" in found[2]) == (spread == "null")


def test_one_run_has_no_deviation_to_compare_with(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), spread="null")
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md")[3:6] == ["78.00", "1", ""]


def test_seconds_of_different_hardware_are_not_mixed(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80, device_name="Some GPU"))
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md")[3:] == ["79.00 ± 1.41", "2", "within (+0.00)", "mixed"]


def test_runs_that_did_not_complete_are_named_and_not_counted(tmp_path: Path) -> None:
    failed = [row(2, "", "", "diverged"), row(3, 0.1, 99, "interrupted")]
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), *failed)
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md")[3:5] == ["79.00 ± 1.41", "2"]
    text = (tmp_path / "README.md").read_text()
    assert "2 runs on Some CPU, torch 2.13.0, PyG 2.8.1; code: 0123456;" in text
    assert "not counted: e seed 2 diverged, e seed 3 interrupted." in text


def test_code_with_uncommitted_changes_is_called_so(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80).replace(",False,", ",True,"))
    assert table.main([], tmp_path) == 0
    told = "code: 0123456, 0123456 with uncommitted changes;"
    assert told in (tmp_path / "README.md").read_text()


def test_an_experiment_without_a_completed_run_stays_in_the_table(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(0, "", "", "oom", "other"), also="other")
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md", "other")[3:5] == ["not run", "0"]


def test_experiments_of_different_data_are_each_their_own(tmp_path: Path) -> None:
    other = row(0, 0.5, experiment="other", fingerprint="f2", config_hash="c2")
    checkout(tmp_path, row(0, 0.78), other, also="other")
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / "README.md", "other")[3] == "50.00"
    assert "an experiment: pubmed f1, pubmed f2;" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (row(1, 0.8, fingerprint="f2"), "e has 2 values of fingerprint; average only one"),
        (row(1, 0.8, config_hash="x"), "e has 2 values of config_hash; average only one"),
        (row(0, 0.8), "e has seed 0 more than once; keep one row"),
        (row(1, ""), "e has a completed run without test_accuracy"),
        (row(1, 0.8, experiment="gone"), "has runs of gone, not in conf"),
        (row(1, 0.8, experiment=""), "has runs of no experiment, not in conf"),
    ],
)
def test_rows_that_are_not_repetitions_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: str, message: str
) -> None:
    checkout(tmp_path, row(0, 0.78), second)
    assert table.main([], tmp_path) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert message in told.err
    assert (tmp_path / "README.md").read_text() == README


def test_a_table_that_is_stale_fails_the_check_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, row(0, 0.78))
    assert table.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.startswith("results_table: README.md is stale")
    assert (tmp_path / "README.md").read_text() == README
    assert table.main([], tmp_path) == 0
    assert table.main(["--check"], tmp_path) == 0
    with (tmp_path / table.RUNS).open("a") as file:
        file.write(row(1, 0.80) + "\n")
    assert table.main(["--check"], tmp_path) == 1


def test_a_readme_without_markers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, row(0, 0.78))
    (tmp_path / "README.md").write_text(f"{table.END}\n{table.BEGIN}\n")
    assert table.main([], tmp_path) == 1
    assert "README.md has no line" in capsys.readouterr().err


def test_the_committed_rows_belong_to_the_experiments_as_they_are_now() -> None:
    """A changed experiment needs new rows: see `make reference`."""
    from redditgnn.config import compose_settings, hash_of_config

    runs = table.read_runs(table.ROOT / table.RUNS)
    for name, group in runs.groupby("experiment"):
        now = hash_of_config(compose_settings([f"experiment={name}"]))
        assert set(group.config_hash) == {now}, f"{name} has changed since its rows were made"
