"""Whole runs: the row, the files, what a failure leaves behind, and what test labels may touch."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, OutOfMemory, TrainingDiverged
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.record import checkpoint
from redditgnn.run import execution as run
from redditgnn.runtime.energy import Counter, EnergyMeter

QUICK = [
    "model=gcn",
    "sampler=cluster",
    "sampler.num_parts=4",
    "sampler.batch_size=2",
    "model.hidden_channels=8",
    "trainer.epochs=3",
    "device=cpu",
]
SECONDS = {"epoch_s", "sample_s", "transfer_s", "compute_s", "eval_s"}


@pytest.fixture
def settings(
    make_graph: Callable[..., GraphData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Settings whose dataset is a small graph that the test may alter."""
    build = Settings.build

    def compose(*overrides: str, graph: GraphData | None = None) -> Settings:
        graph = graph or make_graph(num_nodes=40, num_edges=160)

        def built(self: Settings, group: str, *args, **facts):
            return graph if group == "dataset" else build(self, group, *args, **facts)

        monkeypatch.setattr(Settings, "build", built)
        return compose_settings([*QUICK, f"results_dir={tmp_path}", *overrides])

    return compose


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_energy_is_that_of_all_counters_until_the_end(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = iter(range(1000))
    monkeypatch.setattr("redditgnn.runtime.energy.PERIOD_S", 0.0)
    monkeypatch.setattr(
        "redditgnn.run.row.cpu_energy", lambda: EnergyMeter([Counter(lambda: next(reads), 1.0)])
    )
    row, path = run.run(settings())
    assert row.cpu_energy_j == next(reads) - 1 >= 3  # read in every epoch
    (written,) = rows_of(path)
    assert written["gpu_energy_j"] == ""  # empty, not 0, on a CPU


def test_a_run_leaves_a_row_its_epochs_and_its_provenance(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    row, path = run.run(settings())
    (written,) = rows_of(path)
    assert path == tmp_path / "runs.csv"
    assert written["status"] == "completed"
    assert written["run_id"] == row.run_id
    assert 0 <= float(written["test_micro_f1"]) <= 1
    assert written["peak_cuda_allocated_mib"] == ""  # empty, not 0, on a CPU
    assert float(written["peak_rss_mib"]) > 50
    assert json.loads(written["hyperparameters"])["model.hidden_channels"] == 8
    folder = tmp_path / "runs" / row.run_id
    assert [line["epoch"] for line in rows_of(folder / "epochs.csv")] == ["1", "2", "3"]
    content = json.loads((folder / "run.json").read_text())
    assert content["settings"]["components"]["trainer"]["epochs"] == 3
    assert checkpoint.load(folder / "best.pt").keys() == {
        f"convs.{layer}.{name}" for layer in (0, 1) for name in ("bias", "lin.weight")
    }


def test_seconds_add_up(settings: Callable[..., Settings]) -> None:
    row, _ = run.run(settings())
    parts = row.load_s + row.preprocess_s + row.train_s + row.eval_s
    assert 0 < row.time_to_best_s <= row.train_s + row.eval_s
    assert parts <= row.wall_s
    assert row.transfer_s + row.compute_s <= row.train_s


def test_the_same_seed_gives_the_same_epochs_and_another_seed_others(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    epochs = []
    for seed in (0, 0, 1):
        row, _ = run.run(settings(f"seed={seed}", "model=gat", "model.heads=2"))
        lines = rows_of(tmp_path / "runs" / row.run_id / "epochs.csv")
        epochs.append([{k: v for k, v in line.items() if k not in SECONDS} for line in lines])
    assert epochs[0] == epochs[1]
    assert epochs[0] != epochs[2]


def test_test_labels_never_influence_training(
    settings: Callable[..., Settings], make_graph: Callable[..., GraphData], tmp_path: Path
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    y = graph.y.clone()
    y[graph.test_mask] = (y[graph.test_mask] + 1) % graph.num_classes
    weights = []
    for labels in (graph.y, y):
        row, _ = run.run(settings(graph=replace(graph, y=labels)))
        weights.append(checkpoint.load(tmp_path / "runs" / row.run_id / "best.pt"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("model", ["gcn", "sign"])
def test_inductive_training_sees_no_edge_to_other_nodes(
    model: str,
    settings: Callable[..., Settings],
    make_graph: Callable[..., GraphData],
    tmp_path: Path,
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    x = graph.x.clone()
    x[~graph.train_mask] += 100 * torch.randn_like(x[~graph.train_mask])
    losses = []
    for features in (graph.x, x):
        chosen = settings("protocol=inductive", f"model={model}", graph=replace(graph, x=features))
        row, _ = run.run(chosen)
        lines = rows_of(tmp_path / "runs" / row.run_id / "epochs.csv")
        losses.append([line["train_loss"] for line in lines])
    assert losses[0] == losses[1]
    assert Fingerprint.parse(row.fingerprint).protocol == "inductive"


@pytest.mark.parametrize("model", ["sgc", "sign"])
@pytest.mark.parametrize("sampler", ["neighbor", "neighbor_tree"])
def test_models_that_read_no_edges_take_any_fanouts(
    sampler: str, model: str, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings()  # the small graph
    chosen = [f"model={model}", f"sampler={sampler}", "trainer.epochs=1", "device=cpu"]
    row, _ = run.run(compose_settings([*chosen, f"results_dir={tmp_path}"]))
    assert row.status == "completed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TrainingDiverged("training loss became nan"), "diverged"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), "oom"),
        (MemoryError(), "oom"),
        (ValueError("a bug"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_run_that_ends_early_is_a_row(
    error: BaseException,
    status: str,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from redditgnn.trainer.loop import Trainer

    def fail(*args, **kwargs) -> None:
        raise error

    chosen = settings()
    monkeypatch.setattr(Trainer, "fit", fail)
    expected = OutOfMemory if status == "oom" else type(error)
    with pytest.raises(expected):
        run.run(chosen)
    (written,) = rows_of(tmp_path / "runs.csv")
    assert written["status"] == status
    assert written["test_micro_f1"] == ""
    assert (written["error"] == "") == (status == "interrupted")


def test_a_mistake_leaves_no_row(settings: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sampler.num_parts must be in"):
        run.run(settings("sampler.num_parts=1000"))
    assert not (tmp_path / "runs.csv").exists()


def test_a_convolution_that_needs_the_whole_graph_is_refused_under_halos(
    settings: Callable[..., Settings],
) -> None:
    choice = ["model=pyg", "model.conv._target_=torch_geometric.nn.GCNConv"]
    with pytest.raises(ConfigError, match="sampler=gas would give wrong numbers"):
        run.run(settings(*choice, "sampler=gas"))
    row, _ = run.run(settings(*choice))
    assert row.status == "completed"


def test_cuda_is_refused_where_there_is_none(settings: Callable[..., Settings]) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match="device=cuda needs a CUDA device.*device=auto"):
        run.run(settings("device=cuda"))


def test_a_config_hash_covers_settings_and_not_the_seed_or_places() -> None:
    def hashed(*overrides: str) -> str:
        return hash_of_config(compose_settings([*QUICK, *overrides]))

    places = ["results_dir=elsewhere", "data_dir=there"]
    same = ["kernels.backend=torch", "trainer.checkpoint_every=3", "trainer.max_time=null"]
    assert hashed() == hashed("seed=5", *places, *same)
    others = ["model.dropout=0.1", "protocol=inductive", "trainer.max_time=1h"]
    assert len({hashed(), *map(hashed, others)}) == 4


@pytest.mark.parametrize(
    ("protocol", "eval_every", "num_passes"),
    [("transductive", 1, 5), ("transductive", 2, 5), ("inductive", 1, 8)],
)
def test_histories_are_refreshed_by_the_evaluation_where_it_reads_the_training_graph(
    protocol: str,
    eval_every: int,
    num_passes: int,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes: list[int] = []
    infer = ExactInference._logits
    monkeypatch.setattr(
        ExactInference, "_logits", lambda self, model: passes.append(1) or infer(self, model)
    )
    run.run(
        settings(
            "sampler=gas",
            "sampler.refresh_every=1",
            f"protocol={protocol}",
            f"trainer.eval_every={eval_every}",
        )
    )
    # Before the first epoch, behind each of three, on test nodes; on two graphs three more.
    assert len(passes) == num_passes


def test_the_staleness_of_histories_is_a_file_of_the_run(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    logged = settings("sampler=gas", "sampler.log_staleness=true", "model.num_layers=3")
    row, _ = run.run(logged)
    written = rows_of(tmp_path / "runs" / row.run_id / "histories.csv")
    assert [(line["epoch"], line["layer"]) for line in written] == [
        (epoch, layer) for epoch in "123" for layer in "01"
    ]
    assert float(written[-1]["mean_relative_error"]) > 0
    row, _ = run.run(settings("sampler=gas"))
    assert not (tmp_path / "runs" / row.run_id / "histories.csv").exists()
