"""One command line is many jobs, each as if it had been typed alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redditgnn import CONF_DIR
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.errors import ConfigError
from redditgnn.sweep.plan import Job, Planner

SMALL = ["dataset=sbm", "sampler=full"]


def jobs(*arguments: str, config_dir: Path | None = None) -> list[Job]:
    return Planner(arguments, config_dir).jobs()


def labels(*arguments: str) -> list[str]:
    return [job.label for job in jobs(*arguments)]


def test_every_job_is_composed_as_hydra_would_compose_it_alone():
    swept = ["model=gat,gatv2", "model.heads=1,8", "seed=0,1"]
    for job in jobs(*SMALL, "trainer.epochs=3", *swept):
        assert job.settings == compose_settings(job.overrides)


def test_experiments_are_swept_with_keys_that_only_their_choices_have():
    found = jobs("experiment=pubmed_gcn_gas,cora_gcn_gas", "sampler.num_parts=4,8")
    assert [job.settings.choices["experiment"] for job in found] == [
        *["pubmed_gcn_gas"] * 2,
        *["cora_gcn_gas"] * 2,
    ]
    assert {job.settings.components["sampler"]["num_parts"] for job in found} == {4, 8}


@pytest.mark.parametrize(
    ("swept", "expected"),
    [
        ("seed=0,2", ["seed=0", "seed=2"]),
        ("seed=range(2,4)", ["seed=2", "seed=3"]),
        ("model=choice(gat,sage)", ["model=gat", "model=sage"]),
        ("sampler=glob(saint_*,exclude=*_rw)", ["sampler=saint_edge", "sampler=saint_node"]),
        (
            "+model.x=[1,2],[3]",
            None,  # there is no such key: only how it is told is looked at
        ),
    ],
)
def test_values_are_expanded_by_hydras_grammar(swept, expected):
    if expected is None:
        with pytest.raises(ConfigError, match=r"job 1 \(.*\+model.x=\[1,2\]\): model.x: there is"):
            jobs(*SMALL, swept)
    else:
        assert labels(*SMALL, swept) == expected


def test_options_of_ones_own_are_swept_too(tmp_path):
    (tmp_path / "model").mkdir()
    text = (CONF_DIR / "model" / "sage.yaml").read_text()
    for name, layers in (("mine_a", 2), ("mine_b", 3)):
        own = text.replace("num_layers: 2", f"num_layers: {layers}")
        (tmp_path / "model" / f"{name}.yaml").write_text(own)
    found = jobs(*SMALL, "model=glob(mine_*)", config_dir=tmp_path)
    assert [job.settings.choices["model"] for job in found] == ["mine_a", "mine_b"]


def test_runs_that_are_the_same_are_planned_once():
    assert labels(*SMALL, "model.dropout=0.5,0.50,0.3") == [
        "model.dropout=0.5",
        "model.dropout=0.3",
    ]


TASKS = ("sweep.launcher=submitit", "sweep.slurm.tasks_per_node=2")


def test_a_run_on_a_cluster_has_as_many_processes_as_its_job_has_tasks():
    (job,) = jobs(*SMALL, *TASKS, "sweep.slurm.nodes=2", "parallel=data", "sampler=neighbor")
    assert job.settings.parallel.processes == 4
    assert job.settings.parallel.backend == "auto"  # as the machines of the job have it
    assert job.settings.components["trainer"]["batches_per_step"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seed=0,1", "model.hidden_channels=8,x"], "job 2 .*hidden_channels=x.*: model.hidden_ch"),
        (["seed=0,-1"], r"job 2 \(.*seed=-1\): seed must be in \[0, 2\*\*63\), got -1"),
        (["model=gat,gatt"], "job 2 .*: model=gatt: no such option .did you mean model=gat"),
        (["model.dropout=interval(0,1)"], "an interval has no end of values; .*search=optuna"),
        (["results_dir=a,b"], "a sweep has one results_dir"),
        (["model=glob(none*)"], "model: nothing to sweep"),
        (["hydra/launcher=joblib"], "sweeps are run by redditgnn, not by Hydra"),
        (["sweep=attention,fanout"], "one sweep at a time"),
        (["sweep.jobs=0"], "sweep.jobs must be at least 1, got 0"),
        (["sweep.job=2"], "sweep.job: no such key .did you mean sweep.jobs"),
        (["sweep.rerun=3"], "sweep.rerun must be bool, got 3"),
        (["sweep.slurm.time=soon"], "sweep.slurm.time must be a positive duration"),
        (
            ["sweep.slurm.cluster=local", "sweep.slurm.nodes=2"],
            "cluster=local is this machine alon",
        ),
        ([*TASKS, "parallel=none"], "= 2 processes for each run, and parallel=none has one; add"),
        ([*TASKS, "parallel=data", "parallel.processes=3"], "each run, got parallel.processes=3"),
        ([*TASKS, "parallel=data", "sampler=gas"], "parallel=data cannot share sampler=gas"),
        (["sweep.search_time=8"], "sweep.search_time must be "),
        (["seed=range(200000)"], "at most 100000 jobs"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_runs(arguments, message, monkeypatch):
    monkeypatch.setattr("redditgnn.sweep.grids.MOST_JOBS", 100)
    message = message.replace("100000", "100")
    with pytest.raises(ConfigError, match=message) as error:
        jobs(*SMALL, *arguments)
    assert "\n" not in str(error.value)


READY = sorted(path.stem for path in (CONF_DIR / "sweep").glob("*.yaml") if path.stem != "default")


@pytest.mark.parametrize("name", READY)
def test_a_ready_sweep_has_as_many_runs_as_its_first_line_says(name):
    text = (CONF_DIR / "sweep" / f"{name}.yaml").read_text()
    (seeds,) = re.findall(r"^  seed: (\S+)$", text, re.MULTILINE)
    assert seeds == ",".join(map(str, range(len(seeds.split(",")))))
    found = jobs(f"sweep={name}", "dataset=sbm", "seed=0")  # to compose each seed takes long
    assert text.splitlines()[0].endswith(f": {len(found) * len(seeds.split(','))} runs")
    for job in found:
        job.settings.check()


GRIDS = """
defaults: [default]
params: {model.hidden_channels: "8,16"}
grids:
  - {model: sage}
  - {model: gat, model.heads: "1,2"}
"""


@pytest.fixture
def with_grids(tmp_path: Path) -> Path:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "both.yaml").write_text(GRIDS)
    return tmp_path


def test_each_grid_is_swept_with_the_parameters_of_all_and_named_by_its_own(with_grids):
    found = jobs(*SMALL, "sweep=both", "model.hidden_channels=8", config_dir=with_grids)
    assert [job.label for job in found] == ["model=sage", "model=gat model.heads=1"] + [
        "model=gat model.heads=2"
    ]
    assert [job.number for job in found] == [1, 2, 3]
    assert len(jobs(*SMALL, "sweep=both", config_dir=with_grids)) == 6


def test_two_grids_that_are_one_run_are_refused_by_the_key_of_the_second(with_grids):
    grids = "grids: [{model: sage}, {model: sage, trainer.checkpoint_every: 2}]"
    (with_grids / "sweep" / "both.yaml").write_text(f"defaults: [default]\n{grids}\n")
    message = "told apart: its default and trainer.checkpoint_every=2 would be one run"
    with pytest.raises(ConfigError, match=message):
        jobs(*SMALL, "sweep=both", config_dir=with_grids)


def test_a_search_refuses_several_grids(with_grids):
    message = "sweep.search=optuna searches one grid, and sweep.grids has 2"
    with pytest.raises(ConfigError, match=message):
        jobs(*SMALL, "sweep=both", "sweep.search=optuna", config_dir=with_grids)


def test_what_the_command_line_says_wins_over_a_ready_sweep():
    found = jobs("sweep=attention", *SMALL, "model=gatv2", "model.heads=2", "seed=5")
    assert len(found) == 4
    assert {job.settings.choices["model"] for job in found} == {"gatv2"}
    assert {job.settings.components["model"]["heads"] for job in found} == {2}
    assert {job.settings.seed for job in found} == {5}


def test_how_a_sweep_is_run_is_no_part_of_the_configuration():
    (plain,) = jobs(*SMALL)
    (other,) = jobs(*SMALL, "sweep.jobs=4", "sweep.rerun=true", "sweep.launcher=submitit")
    assert plain.config_hash == other.config_hash == hash_of_config(compose_settings(SMALL))
    assert plain.settings == other.settings


@pytest.mark.parametrize(
    ("swept", "key"),
    [
        ("kernels.backend=torch,numba", "kernels.backend"),
        ("data_dir=here,there", "data_dir"),
        ("device=auto,cpu", "device"),
        ("trainer.checkpoint_every=1,2", "trainer.checkpoint_every"),
        ("tracker=none,tensorboard", "tracker"),
    ],
)
def test_what_no_score_depends_on_is_not_swept(swept, key):
    with pytest.raises(ConfigError, match=f"^{key} is no part of config_hash.*give it one value"):
        jobs(*SMALL, "seed=0,1", swept)


def test_two_names_of_one_run_are_one_job():
    assert labels("dataset=sbm", "model=gcn,gcn_gas", "sampler=gas") == ["model=gcn"]


@pytest.fixture
def masks(monkeypatch):
    """Give every dataset three splits in its files, without loading any."""
    monkeypatch.setattr("redditgnn.sweep.plan.count_splits", lambda settings: 3)


def test_all_splits_are_as_many_jobs_of_one_configuration(masks):
    found = jobs("dataset=actor", "sampler=full", "dataset.split_index=all", "seed=0,1")
    assert [job.label for job in found[:3]] == [
        f"seed=0 dataset.split_index={number}" for number in range(3)
    ]
    assert [job.number for job in found] == [1, 2, 3, 4, 5, 6]
    assert len({job.configuration for job in found}) == 1
    assert len({job.config_hash for job in found}) == 3
    for job in found:
        assert job.settings == compose_settings(job.overrides)


def test_all_splits_have_the_hashes_of_their_numbers(masks):
    every = jobs("dataset=actor", "sampler=full", "dataset.split_index=all")
    each = jobs("dataset=actor", "sampler=full", "dataset.split_index=range(3)")
    assert [job.config_hash for job in every] == [job.config_hash for job in each]


def test_a_public_and_a_drawn_split_are_two_configurations():
    public, drawn = jobs("dataset=actor", "sampler=full", "dataset.split=public,random")
    assert public.configuration != drawn.configuration


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset.split=random", "dataset.split_index=all"], "give these: dataset.split_seed=0,1"),
        (["dataset.split_seed=0,1"], "dataset.split_seed has no effect with dataset.split=public"),
        (
            ["dataset.split=random", "dataset.split_index=0,1"],
            "dataset.split_index has no effect with dataset.split=random, so jobs 1 and 2",
        ),
    ],
)
def test_a_split_that_cannot_be_swept_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        jobs("dataset=actor", "sampler=full", *arguments)
