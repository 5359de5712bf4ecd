"""docs/results.md and the README's matrix: rows and verdicts of `redditgnn verify`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from redditgnn.config.compose import compose_experiment
from redditgnn.config.hashing import hash_of_config
from redditgnn.verify.target import target_from
from redditgnn.verify.verdict import Sample, judge, sample_of
from scripts.tables import results as table
from scripts.tables.experiments import RUNS, Entry

COLUMNS = (
    "status,dataset,model,sampler,experiment,seed,fingerprint,config_hash,commit,dirty,torch_version,"
    "pyg_version,device_name,val_accuracy,test_accuracy,test_micro_f1,epoch_median_s"
)
README = f"# Title\n\n{table.BEGIN}\nold\n{table.END}\n\nThe rest.\n"
YAML = """\
# @package _global_
model: {{dropout: {dropout}}}
target:
  metric: test_accuracy
  percent: {percent}
  spread: {spread}
  runs: {runs}
  source: "A et al., table 2"
  trust: {trust}
  fingerprint: {{edges: 10}}
"""
DATA = "edges=10:aaaaaaaa protocol=transductive"


def row(
    seed: int,
    accuracy: float | str,
    seconds: float | str = 0.5,
    status: str = "completed",
    experiment: str = "e",
    fingerprint: str = DATA,
    device_name: str = "Some CPU",
) -> str:
    return (
        f"{status},pubmed,gcn,full,{experiment},{seed},{fingerprint},HASH,0123456789,False,2.13.0,"
        f"2.8.1,{device_name},0.99,{accuracy},0.1,{seconds}"
    )


def checkout(root: Path, *rows: str, also: str = "e", **target: object) -> Path:
    """Lay out a repository with two experiments at most, `e` and `also`."""
    for folder in ("conf/experiment", "results/reference", "docs"):
        (root / folder).mkdir(parents=True)
    values = {"percent": 79.0, "spread": 0.7, "runs": "null", "trust": "V", **target}
    for dropout, name in zip((0.1, 0.2), sorted({"e", also}), strict=False):
        path = root / "conf" / "experiment" / f"{name}.yaml"
        path.write_text(YAML.format(dropout=dropout, **values))
    lines = [with_hash(line, root) for line in rows]
    (root / RUNS).write_text("\n".join([COLUMNS, *lines, ""]))
    (root / "README.md").write_text(README)
    return root


def with_hash(line: str, root: Path) -> str:
    """Put the experiment's own hash where a row has HASH."""
    name = line.split(",")[4]
    if not (root / "conf" / "experiment" / f"{name}.yaml").exists():
        return line
    settings, _ = compose_experiment([f"experiment={name}"], root / "conf")
    return line.replace("HASH", hash_of_config(settings))


def cells(readme: Path, experiment: str = "e") -> list[str]:
    lines = readme.read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {experiment} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_mean_deviation_and_median_are_those_computed_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Squared deviations of 78, 79, 81 from 238/3: (16 + 1 + 25) / 9; halved and rooted, 1.5275.
    # Half of the interval: 4.3027 * 1.5275 / sqrt(3) = 3.7945.
    checkout(tmp_path, row(0, 0.78, 0.1), row(1, 0.79, 0.25), row(2, 0.81, 9), percent=79.3)
    assert table.main([], tmp_path) == 0
    row_cells = cells(tmp_path / table.DOCUMENT)
    assert row_cells[:6] == [
        *("e", "full", "79.3 ± 0.7 (A et al., table 2; V)", "79.33 ± 1.53"),
        *("3", "+0.03 [-3.76, +3.83]"),
    ]
    assert row_cells[6].startswith("UNDECIDED: ")
    assert row_cells[7] == "0.25"
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Title\n\n<!--")
    assert text.endswith("-->\n\nThe rest.\n")
    assert "README.md is updated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        ({"percent": 79.0, "spread": 20}, "REPRODUCED"),
        ({"percent": 50.0}, "ABOVE"),
        ({"percent": 99.0}, "BELOW"),
        ({"percent": 99.0, "trust": "R"}, "NOT A TARGET (recalled, not read again)"),
    ],
)
def test_the_verdict_is_that_of_verify(
    tmp_path: Path, target: dict[str, object], verdict: str
) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), **target)
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT)[6] == verdict


def test_a_source_without_a_spread_has_an_asterisk(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), spread="null")
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT)[2] == "79.0\\* (A et al., table 2; V)"


def test_one_run_has_no_deviation_to_compare_with(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), spread="null")
    assert table.main([], tmp_path) == 0
    row_cells = cells(tmp_path / table.DOCUMENT)
    assert row_cells[3:6] == ["78.00", "1", "-1.00"]
    assert row_cells[6] == "UNDECIDED: two completed runs at least are needed"


def test_seconds_of_different_hardware_are_not_mixed(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80, device_name="Some GPU"))
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT)[7] == "mixed"


def test_runs_that_did_not_complete_are_named_and_not_counted(tmp_path: Path) -> None:
    failed = [row(2, "", "", "diverged"), row(3, 0.1, 99, "interrupted")]
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), *failed)
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT)[3:5] == ["79.00 ± 1.41", "2"]
    text = (tmp_path / table.DOCUMENT).read_text()
    assert "2 runs on Some CPU, torch 2.13.0, PyG 2.8.1; code: 0123456;" in text
    assert "runs that did not complete: e seed 2 diverged, e seed 3 interrupted;" in text


def test_code_with_uncommitted_changes_is_called_so(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(1, 0.80).replace(",False,", ",True,"))
    assert table.main([], tmp_path) == 0
    commits = "code: 0123456, 0123456 with uncommitted changes;"
    assert commits in (tmp_path / table.DOCUMENT).read_text()


def test_an_experiment_without_a_completed_run_is_left_out(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(0, "", "", "oom", "other"), also="other")
    assert table.main([], tmp_path) == 0
    text = (tmp_path / table.DOCUMENT).read_text()
    assert "\n| other |" not in text
    assert "runs that did not complete: other seed 0 oom;" in text


def test_rows_that_are_not_repetitions_are_counted_and_not_averaged(tmp_path: Path) -> None:
    others = [
        row(2, 0.1, fingerprint="5c25f5cb259d8177-transductive"),  # as an older version wrote it
        row(3, 0.1, fingerprint=DATA.replace("10:", "11:")),
        row(4, 0.1).replace("HASH", "of other settings"),
        row(0, 0.1),
    ]
    checkout(tmp_path, row(0, 0.78), row(1, 0.80), *others)
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT)[3:5] == ["79.00 ± 1.41", "2"]
    others = "of other settings or data, or of a seed that is there already: 4."
    assert others in (tmp_path / table.DOCUMENT).read_text()


def test_experiments_of_different_settings_are_each_their_own(tmp_path: Path) -> None:
    checkout(tmp_path, row(0, 0.78), row(0, 0.5, experiment="other"), also="other")
    assert table.main([], tmp_path) == 0
    assert cells(tmp_path / table.DOCUMENT, "other")[3] == "50.00"
    assert "2 runs on Some CPU" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (row(1, ""), "seed 1 of "),
        (row(1, 0.8, experiment="gone"), "has runs of gone, not in conf"),
        (row(1, 0.8, experiment=""), "has runs of no experiment, not in conf"),
    ],
)
def test_rows_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: str, message: str
) -> None:
    checkout(tmp_path, row(0, 0.78), second)
    assert table.main([], tmp_path) == 1
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert message in output.err
    assert (tmp_path / "README.md").read_text() == README


def test_a_table_that_is_stale_fails_the_check_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, row(0, 0.78))
    assert table.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.startswith("scripts.tables.results: results.md is stale")
    assert (tmp_path / "README.md").read_text() == README
    assert table.main([], tmp_path) == 0
    assert table.main(["--check"], tmp_path) == 0
    with (tmp_path / RUNS).open("a") as file:
        file.write(with_hash(row(1, 0.80), tmp_path) + "\n")
    assert table.main(["--check"], tmp_path) == 1


def test_a_readme_without_markers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, row(0, 0.78))
    (tmp_path / "README.md").write_text(f"{table.END}\n{table.BEGIN}\n")
    assert table.main([], tmp_path) == 1
    assert "README.md has no line" in capsys.readouterr().err


def sample(*scores: float) -> Sample:
    return sample_of(list(scores))


def entry(
    name: str, *scores: float, sampler: str = "full", published: float | None = None
) -> Entry:
    values = {"metric": "test_accuracy", "percent": published, "spread": 0.5, "runs": 10}
    values |= {"source": "A", "trust": "V", "fingerprint": {"edges": 1}}
    target = None if published is None else target_from(values, name)
    dataset, model = name.split("_")[:2]
    same = {"dataset": dataset, "model": model, "sampler": sampler, "device_name": "Some CPU"}
    runs = pd.DataFrame([same | {"epoch_median_s": 0.5, "s": score} for score in scores])
    ours = sample(*scores)
    verdict = target and judge(ours, target.published)
    return Entry(name=name, runs=runs, sample=ours, target=target, verdict=verdict)


def by_name(*entries: Entry) -> dict[str, Entry]:
    return {each.name: each for each in entries}


def test_the_matrix_has_a_model_a_line_and_a_dataset_a_column() -> None:
    entries = [
        entry("cora_gcn", 81.0, 81.2, published=81.1),
        entry("pubmed_gcn", 50.0, 50.2, published=79.0),
        entry("cora_gcn_gas", 99.0, 99.2, published=81.1),
    ]
    lines = table.matrix(by_name(*entries)).splitlines()
    assert (
        lines[3] == "| GCN | 81.10 ± 0.14 (n=2); 81.1 **=** |  | 50.10 ± 0.14 (n=2); 79.0 **-** |"
    )
    assert lines[5] == "| GCN | 99.10 ± 0.14 (n=2); 81.1 **+** |  |  |"


@pytest.mark.parametrize(
    ("splits", "verdict"),
    [(2, "REPRODUCED"), (3, "INCOMPLETE: 1 of 3 splits have no completed run")],
)
def test_a_number_over_splits_has_a_line_that_counts_them(splits: int, verdict: str) -> None:
    one = entry("minesweeper_gcn", 89.7, 89.8, published=89.75)
    assert one.target is not None
    runs = one.runs.assign(config_hash=["a", "b"], seed="0")
    one = replace(one, runs=runs, target=replace(one.target, splits=splits, spread=1.0))
    assert one.verdict is not None
    one = replace(one, verdict=replace(one.verdict, name="REPRODUCED"))
    name, published, ours, count, _, *rest = table.splits_line(one).strip("| ").split(" | ")
    assert (name, published, ours) == ("minesweeper_gcn", "89.75 ± 1.0 (A; V)", "89.75 ± 0.07")
    assert (count, *rest) == ("2 x 1", verdict, "0.5")
    assert one.outcome == verdict.partition(":")[0]


def test_what_a_partition_is_worth_is_the_difference_of_a_pair() -> None:
    entries = [
        entry("cora_gcn_gas", 81.0, 82.0, published=82.0),
        entry("cora_gcn_gas_random", 79.0, 80.0, published=78.0),
        entry("cora_gat_gas", 81.0, 82.0, published=82.0),
    ]
    (only,) = table.parts_lines(by_name(*entries))
    assert only.startswith("| GCN, Cora | 81.50 ± 0.71 | 79.50 ± 0.71 | +2.00 [")
    assert only.endswith("| +4.00 |")


def test_a_pair_without_a_published_value_has_none_and_stands_once() -> None:
    entries = [
        entry("cora_gcn_gas", 81.0, 82.0, published=82.0),
        entry("cora_gcn_gas_random", 79.0, 80.0),
    ]
    (only,) = table.parts_lines(by_name(*entries))
    assert only.endswith("] |  |")
    assert table.other_lines(by_name(*entries)) == []


def test_a_sampler_is_compared_with_full_batch() -> None:
    full = entry("physics_gcn", 90.0, 92.0)
    edges = entry("physics_gcn_saint_edge", 93.0, 95.0, sampler="saint_edge")
    entries = by_name(full, edges)
    assert "| +3.00 [" in table.other_line(edges, entries)
    assert "|  | 0.5 |" in table.other_line(full, entries)


def test_a_single_run_is_no_exact_value_to_be_compared_with() -> None:
    assert table.difference(sample(81.0, 82.0), sample(80.0)) == "+1.50"
