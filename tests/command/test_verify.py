"""`redditgnn verify` on tiny synthetic graphs: what it runs, what it counts, what it concludes."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redditgnn import CONF_DIR, cli
from redditgnn.command import verify
from redditgnn.config.compose import compose_experiment
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, TrainingDiverged
from redditgnn.metric.base import METRIC_NAMES
from redditgnn.record.recorder import append_run
from redditgnn.record.rows import RunRow
from redditgnn.run import execution as run
from redditgnn.trainer.loop import Trainer

YAML = """\
# @package _global_
# A tiny experiment
defaults:
  - override /dataset: sbm
  - override /model: mlp
  - override /sampler: full
dataset: {{scale: 0.002}}
model: {{hidden_channels: 32}}
optimizer: {{lr: 0.05}}
trainer: {{epochs: 10}}
device: cpu
target:
  metric: test_accuracy
  percent: {percent}
  spread: {spread}
  runs: {runs}
  source: A et al., table 2
  trust: {trust}
  fingerprint: {{{fingerprint}}}
"""
Call = Callable[..., tuple[int, str]]
Write = Callable[..., None]
Runs = Callable[..., list[int]]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def few_experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """List one experiment of ours, for the sake of time."""
    (tmp_path / "ours" / "experiment").mkdir(parents=True)
    shutil.copy(CONF_DIR / "experiment" / "pubmed_gat.yaml", tmp_path / "ours" / "experiment")
    monkeypatch.setattr(verify, "CONF_DIR", tmp_path / "ours")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Write conf/experiment/NAME.yaml of the test."""

    def written(name: str = "tiny", **given: object) -> None:
        folder = tmp_path / "conf" / "experiment"
        folder.mkdir(parents=True, exist_ok=True)
        values: dict[str, object] = {"percent": 50.0, "spread": 49.0, "runs": "null", "trust": "V"}
        values |= {"fingerprint": "features: 602", **given}
        (folder / f"{name}.yaml").write_text(YAML.format(**values))

    return written


@pytest.fixture
def call(tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `redditgnn verify` on one experiment; return the exit code and all that was printed."""

    def called(*arguments: str, name: str = "tiny") -> tuple[int, str]:
        places = [f"results_dir={tmp_path}", f"data_dir={data_dir}"]
        own = [f"--config-dir={tmp_path / 'conf'}", f"experiment={name}", "seeds=3"]
        code = cli.main(["verify", *own, *places, *arguments])
        output = capsys.readouterr()
        return code, output.out + output.err

    return called


def listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """List the experiments, return the line of each."""
    arguments = ["--config-dir", str(tmp_path / "conf"), f"results_dir={tmp_path}"]
    assert cli.main(["verify", *arguments]) == 0
    return {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


Act = Callable[[int], None]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Put rows of 50, 51, ... % in the place of runs, `act(seed)` before; return the seeds."""

    def replaced(act: Act = lambda seed: None) -> list[int]:
        seeds: list[int] = []

        def scored(settings: Settings) -> tuple[RunRow, Path]:
            seeds.append(settings.seed)
            act(settings.seed)
            row = row_of(settings, 0.5 + settings.seed / 100)
            return row, append_run(row, Path(settings.results_dir))

        monkeypatch.setattr(run, "run", scored)
        return seeds

    return replaced


def row_of(settings: Settings, accuracy: float) -> RunRow:
    graph = settings.build("dataset", Path(settings.data_dir))
    texts = [*("run_id", "started_at", "dataset", "model", "sampler", "protocol", "commit")]
    texts += ["torch_version", "pyg_version", "device", "device_name", "hyperparameters"]
    return RunRow(
        **dict.fromkeys(texts, ""),
        dirty=False,
        status="completed",
        experiment=settings.choices["experiment"],
        seed=settings.seed,
        fingerprint=str(graph.fingerprint.of_a_run(settings.protocol)),
        config_hash=hash_of_config(settings),
        test=dict.fromkeys(METRIC_NAMES, accuracy),
        wall_s=1.0,
    )


def diverge(seed: int) -> None:
    raise TrainingDiverged("training loss became nan")


def test_a_target_that_is_met_is_exit_code_0(write: Write, call: Call, tmp_path: Path) -> None:
    write()
    code, output = call()
    assert (code, output.splitlines()[-1]) == (0, "REPRODUCED")
    assert [row["seed"] for row in rows_of(tmp_path / "runs.csv")] == ["0", "1", "2"]
    assert f"runs        3 from {tmp_path}/runs.csv" in output
    assert "published   50.00 +- 49.00 %, number of runs unknown; A et al., table 2" in output
    assert "V: read at the source; taken as exact, for the source lacks spread or runs" in output
    assert "margin 49.00: one standard deviation, the published one" in output


def test_a_run_that_fails_is_a_row_and_the_others_go_on(
    write: Write, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fit, calls = Trainer.fit, []

    def second_diverges(*arguments: Any, **facts: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            diverge(1)
        return fit(*arguments, **facts)

    write()
    monkeypatch.setattr(Trainer, "fit", second_diverges)
    _, output = call()
    statuses = [row["status"] for row in rows_of(tmp_path / "runs.csv")]
    assert statuses == ["completed", "diverged", "completed"]
    assert "redditgnn: seed 1: training loss became nan" in output
    assert "failed      seed 1 (diverged): in no mean" in output
    assert "n=2" in output


def test_a_target_that_is_missed_is_exit_code_4(write: Write, call: Call, runs: Runs) -> None:
    write(percent=99.9, spread=0.1, runs=50)
    runs()
    code, output = call()
    assert (code, output.splitlines()[-1]) == (4, "BELOW")
    assert "published   99.90 +- 0.10 %, n=50;" in output
    assert "taken as exact" not in output
    # 50, 51 and 52: deviation 1, and 4.3027 / sqrt(3) of it to both sides
    assert "ours        51.00 +- 1.00 % test_accuracy, n=3, mean in [48.52, 53.48]" in output


def test_what_three_runs_cannot_tell_is_exit_code_4(write: Write, call: Call, runs: Runs) -> None:
    write(percent=51.2, spread=0.5)
    runs()
    code, output = call()
    assert code == 4
    assert re.fullmatch(r"UNDECIDED: \d+ seeds would decide", output.splitlines()[-1])


def test_a_number_that_is_beaten_is_exit_code_0(write: Write, call: Call, runs: Runs) -> None:
    write(percent=20, spread="null")
    runs()
    code, output = call()
    assert (code, output.splitlines()[-1]) == (0, "ABOVE")
    assert "margin 1.00: one standard deviation, ours, for none is published" in output


def test_a_recalled_number_is_no_target(write: Write, call: Call, runs: Runs) -> None:
    write(percent=99.9, spread=0.1, trust="R")
    runs()
    code, output = call()
    assert (code, output.splitlines()[-1]) == (0, "NOT A TARGET (recalled, not read again)")


def test_other_data_are_refused_and_nothing_is_run(write: Write, call: Call, runs: Runs) -> None:
    write(fingerprint="edges: 88648, split: 60/500/1000, protocol: inductive")
    seeds = runs()
    code, output = call()
    assert (code, output.count("\n"), seeds) == (2, 1, [])
    for part in ("the edge set differs:", "88,648 edges there", "the split into", "the protocol"):
        assert part in output
    assert "the features" not in output


def test_a_verification_that_was_killed_goes_on_where_it_was(
    write: Write, call: Call, runs: Runs
) -> None:
    def interrupt(seed: int) -> None:
        if seed == 1:
            raise KeyboardInterrupt

    write()
    runs(interrupt)
    assert call()[0] == 130
    seeds = runs()
    assert call()[0] == 0
    assert seeds == [1, 2]
    assert "n=4" in call("seeds=4")[1]
    assert seeds == [1, 2, 3]


def test_fewer_than_two_completed_runs_are_exit_code_3(
    write: Write, call: Call, runs: Runs
) -> None:
    write()
    runs(lambda seed: diverge(seed) if seed else None)
    code, output = call()
    assert code == 3
    assert "redditgnn: 1 runs completed, two at least are needed;" in output


def test_a_bug_in_one_run_leaves_its_traceback_and_the_others_go_on(
    write: Write, call: Call, runs: Runs
) -> None:
    write()
    runs(lambda seed: seed or 1 // seed)
    code, output = call()
    assert code == 0
    assert "ZeroDivisionError" in output
    assert "failed      seed 0 (failed)" in output


def test_a_mistake_that_a_run_finds_ends_it_all(write: Write, call: Call) -> None:
    write()
    code, output = call("sampler=cluster", "sampler.num_parts=100000")
    assert code == 2
    assert "sampler.num_parts must be in" in output


def test_committed_rows_count_and_those_of_other_settings_do_not(
    write: Write, call: Call, runs: Runs, tmp_path: Path
) -> None:
    write()
    seeds = runs()
    call()
    (tmp_path / "reference").mkdir()
    (tmp_path / "runs.csv").rename(tmp_path / "reference" / "runs.csv")
    _, output = call("seeds=4")
    assert seeds == [0, 1, 2, 3]
    files = [tmp_path / "reference" / "runs.csv", tmp_path / "runs.csv"]
    assert f"runs        3 from {files[0]}, 1 from {files[1]}" in output
    assert "not those of the experiment" not in output
    _, output = call("model.dropout=0.1")
    assert seeds == [0, 1, 2, 3, 0, 1, 2]
    assert "settings    not those of the experiment: model.dropout=0.1" in output


def test_the_list_tells_what_was_run_and_what_was_not(
    write: Write, call: Call, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("met")
    assert listing(tmp_path, capsys)["met"].endswith("  V      not run")
    write("missed", percent=99.9, spread=0.1, runs=50)
    write("recalled", percent=99.9, spread=0.1, trust="R")
    write("elsewhere", fingerprint="edges: 5")
    write("none")
    path = tmp_path / "conf" / "experiment" / "none.yaml"
    path.write_text(path.read_text().partition("target:")[0] + "target: null\n")
    runs()
    call(name="met")  # all of these are one configuration
    lines = listing(tmp_path, capsys)
    assert lines["met"].endswith("  REPRODUCED")
    assert "50.00 +- 49.00  V      51.00 +- 1.00     3  +1.00 [-1.48, +3.48]" in lines["met"]
    assert lines["missed"].endswith("  BELOW")
    assert lines["recalled"].endswith("  NOT A TARGET (recalled, not read again)")
    assert lines["elsewhere"].endswith("  not run")
    assert lines["pubmed_gat"].endswith("  not run")
    assert "none" not in lines
    code, output = call(name="none")
    assert code == 2
    assert "experiment=none has no target; those with one: pubmed_gat, elsewhere, met" in output


def test_rows_of_other_settings_are_told_in_the_list(
    write: Write, call: Call, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    runs()
    call("model.dropout=0.1")
    assert listing(tmp_path, capsys)["tiny"].endswith("not run (3 of other settings or data)")


def test_an_experiment_with_a_mistake_does_not_hide_the_others(
    write: Write, call: Call, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("fine")
    runs()
    call(name="fine")
    write("a_target", percent=101)
    write("an_option")
    path = tmp_path / "conf" / "experiment" / "an_option.yaml"
    path.write_text(path.read_text().replace("/model: mlp", "/model: mpl"))
    (path.parent / "a_yaml.yaml").write_text("target: {percent: 1\n")
    lines = listing(tmp_path, capsys)
    assert lines["fine"].endswith("  REPRODUCED")
    assert "  MISTAKE: experiment=a_target: target.percent must be in (0, 100]" in lines["a_target"]
    assert "  MISTAKE: model=mpl: no such option (did you mean model=mlp?)" in lines["an_option"]
    assert "a_yaml.yaml: while parsing a flow mapping" in lines["a_yaml"]


def test_the_list_does_not_wait_for_torch(tmp_path: Path) -> None:
    program = (
        f"import sys; from redditgnn.cli import main; main(['verify', 'results_dir={tmp_path}']);"
        "assert not {'torch', 'numba', 'scipy.stats'} & set(sys.modules), 'slow'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=pubmed_gta"], r"no such experiment \(did you mean experiment=pubmed_gat\?\)"),
        (["experiment=pubmed_gat", "seeds=1"], r"seeds must be an int in \[2, 1000\], got 1"),
        (["experiment=pubmed_gat", "seeds=x"], "seeds must be an int"),
        (["experiment=pubmed_gat", "seed=3"], "verify chooses the seeds itself; .* seeds=N"),
        (["experiment=pubmed_gat", "target.percent=3"], "a published number is not set here"),
        (["experiment=pubmed_gat", "~target"], "a published number is not set here"),
        (["experiment=pubmed_gat", "-m"], "unknown option -m; see 'redditgnn verify --help'"),
        (["experiment=pubmed_gat", "model=gatt"], "did you mean model=gat"),
        (["model=gat"], "model needs an experiment: redditgnn verify experiment=NAME"),
        (["--config-dir", "nowhere"], "--config-dir needs a folder with experiment/"),
    ],
)
def test_a_mistake_is_exit_code_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", *arguments]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert re.search(message, output.err), output.err


def test_an_experiment_of_ones_own_is_composed_like_ours(write: Write, tmp_path: Path) -> None:
    write()
    settings, target = compose_experiment(["experiment=tiny"], tmp_path / "conf")
    assert settings.components["dataset"]["scale"] == 0.002
    assert target["percent"] == 50.0
    with pytest.raises(ConfigError, match="experiment=tiny: no such option"):
        compose_experiment(["experiment=tiny"])


def write_three_splits(folder: Path, overrides: list[str], **target: object) -> None:
    """Write an experiment whose number is a mean over the three splits of a graph."""
    groups = [text for text in overrides if re.match(r"(dataset|model|sampler)=", text)]
    options = [f"  - override /{text.replace('=', ': ')}" for text in groups]
    fields = {"metric": "test_accuracy", "percent": 51.0, "spread": 5.0, "runs": 100, "splits": 3}
    fields |= {"source": "A et al.", "trust": "V", "fingerprint": "{features: 2}", **target}
    lines = ["# @package _global_", "defaults:", *options, "target:"]
    lines += [f"  {key}: {value}" for key, value in fields.items()]
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "conf" / "experiment" / "three.yaml").write_text("\n".join(lines))


def test_a_number_over_several_splits_is_verified_on_each(
    three_splits: list[str], runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_three_splits(tmp_path, three_splits)
    own = [f"--config-dir={tmp_path / 'conf'}", "experiment=three"]
    keys = [text for text in three_splits if not re.match(r"(dataset|model|sampler)=", text)]
    seeds = runs()
    assert cli.main(["verify", *own, *keys, "seeds=2"]) == 0
    output = capsys.readouterr().out
    assert seeds == [0, 1, 0, 1, 0, 1]
    assert "3 splits x 2 seeds, of which 6 have to be run" in output
    assert "split 2, seed 1" in output
    assert "n=6 (3 splits x 2 seeds), mean in" in output
    assert "n=100 over 3 splits; A et al." in output
    assert len({row["config_hash"] for row in rows_of(tmp_path / "results" / "runs.csv")}) == 3
    assert cli.main(["verify", *own, *keys, "seeds=2"]) == 0
    assert len(seeds) == 6


def test_splits_of_a_dataset_that_has_one_are_refused(
    write: Write, call: Call, tmp_path: Path
) -> None:
    write()
    path = tmp_path / "conf" / "experiment" / "tiny.yaml"
    path.write_text(path.read_text() + "  splits: 10\n")
    code, output = call()
    assert (code, output.count("\n")) == (2, 1)
    assert "target.splits=10: this dataset has only one split" in output
