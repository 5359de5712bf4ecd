"""Number formats: refused where they cannot run, and gone when the run is over."""

from __future__ import annotations

import csv
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.record import checkpoint
from redditgnn.run import execution as run
from redditgnn.runtime import hardware, precision

CPU = torch.device("cpu")
SAMPLERS = {
    "full": ["sampler=full"],
    "neighbor": ["sampler=neighbor", "sampler.num_neighbors=[3,2]", "sampler.batch_size=7"],
    "gas": ["sampler=gas", "sampler.num_parts=4", "sampler.batch_size=2"],
}
PAIRS = [(model, "full") for model in ("sage", "gcn", "gat", "mlp")]
PAIRS += [("gat", "neighbor"), ("sage", "gas")]
MORE_PAIRS = [("gatv2", "full"), ("sage", "neighbor"), ("gat", "gas")]
Train = Callable[..., tuple[list[float], Path]]


@pytest.fixture
def bf16_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bfloat16 run on any CPU: slowly where it has no units for it, with the same numbers."""
    monkeypatch.setattr(hardware, "_bf16_obstacle_of_cpu", lambda: None)


@pytest.fixture
def train(
    make_graph: Callable[..., GraphData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Train on a small graph; return the losses of the epochs and the folder of the run."""
    build = Settings.build
    drawn = make_graph(num_nodes=60, num_edges=300, num_features=16)

    def trained(*overrides: str, dtype: torch.dtype = torch.float32):
        graph = replace(drawn, x=drawn.x.to(dtype))

        def built(self: Settings, group: str, *args, **facts):
            return graph if group == "dataset" else build(self, group, *args, **facts)

        monkeypatch.setattr(Settings, "build", built)
        places = ["device=cpu", f"results_dir={tmp_path}"]
        quick = ["trainer.epochs=3", "model.hidden_channels=16"]
        row, _ = run.run(compose_settings([*places, *quick, *overrides]))
        folder = tmp_path / "runs" / row.run_id
        with (folder / "epochs.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        return [float(line[key]) for line in lines for key in ("train_loss", "val_loss")], folder

    return trained


@pytest.mark.parametrize(
    ("model", "sampler"),
    [*PAIRS, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in MORE_PAIRS)],
)
def test_bf16_is_near_float32_and_leaves_float32_weights(
    model: str, sampler: str, train: Train, bf16_runs: None
) -> None:
    usual = [f"model={model}", "model.dropout=0.0", *SAMPLERS[sampler]]
    usual += ["model.attention_dropout=0.0"] if "gat" in model else []
    full, _ = train(*usual)
    half, folder = train(*usual, "trainer.precision=bf16")
    assert half != full
    assert half == pytest.approx(full, rel=0.03)
    weights = checkpoint.load(folder / "best.pt").values()
    assert {weight.dtype for weight in weights} == {torch.float32}


@pytest.mark.parametrize("sampler", ["full", "neighbor"])
@pytest.mark.parametrize("model", ["sage", "gat"])
def test_features_in_16_bits_are_computed_with_in_float32(
    model: str, sampler: str, train: Train
) -> None:
    usual = [f"model={model}", "model.dropout=0.0", *SAMPLERS[sampler]]
    full, _ = train(*usual)
    for dtype in (torch.float16, torch.bfloat16):
        half, _ = train(*usual, dtype=dtype)
        assert half != full
        assert half == pytest.approx(full, rel=0.01)


def test_logits_are_float32_whatever_the_precision(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph()
    model = compose_settings(["model=gcn"]).build("model", graph.spec).eval()
    for chunk_edges in (None, 7):
        exact = ExactInference(graph, CPU, chunk_edges=chunk_edges)(model)
        half = ExactInference(graph, CPU, chunk_edges=chunk_edges, precision="bf16")(model)
        assert (exact.dtype, half.dtype) == (torch.float32, torch.float32)
        assert not torch.equal(exact, half)
        torch.testing.assert_close(exact, half, rtol=0.03, atol=0.03)


def test_a_run_does_not_depend_on_those_before_it_in_a_sweep(train: Train, bf16_runs: None) -> None:
    usual = ["model=gat", *SAMPLERS["neighbor"]]
    first, _ = train(*usual)
    half, _ = train(*usual, "trainer.precision=bf16")
    again, _ = train(*usual)
    assert first == again != half


@pytest.fixture
def restored() -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(("chosen", "set_to"), [("fp32", "highest"), ("tf32", "high")])
def test_what_torch_does_with_float32_is_set_and_restored(
    chosen: precision.Precision, set_to: str, restored: None
) -> None:
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    with suppress(ZeroDivisionError), precision.float32_products(chosen):
        assert torch.get_float32_matmul_precision() == set_to
        assert torch.backends.cudnn.allow_tf32 == (chosen == "tf32")
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "medium"
    assert torch.backends.cudnn.allow_tf32


TRIALS = {
    "killed": (-signal.SIGILL, "", "", r"ended in SIGILL \(a machine that announces AMX and lacks"),
    "failed": (
        1,
        "",
        "Traceback\nImportError: no torch\n",
        "trying it failed .ImportError: no tor",
    ),
    "slow": (0, "83.2", "", "the CPU has no units for it, and takes 83 times as long as for float"),
}


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str, str], None]]:
    """Give the trial of bfloat16 products an outcome."""

    def ends(code: int, out: str, err: str) -> None:
        done = subprocess.CompletedProcess([], code, out, err)
        monkeypatch.setattr(hardware.subprocess, "run", lambda *_, **__: done)
        hardware._bf16_obstacle_of_cpu.cache_clear()

    yield ends
    hardware._bf16_obstacle_of_cpu.cache_clear()


@pytest.mark.parametrize(("code", "out", "err", "reason"), TRIALS.values(), ids=TRIALS.keys())
def test_bf16_is_refused_where_its_trial_fails(
    code: int, out: str, err: str, reason: str, trial: Callable[[int, str, str], None]
) -> None:
    trial(code, out, err)
    message = f"trainer.precision=bf16 cannot run here: .*{reason}.*; use trainer.precision=fp32"
    with pytest.raises(ConfigError, match=message) as raised:
        precision.check_precision("trainer.precision", "bf16", CPU)
    assert "\n" not in str(raised.value)


def test_bf16_runs_where_its_trial_is_fast(trial: Callable[[int, str, str], None]) -> None:
    trial(0, "0.9", "")
    precision.check_precision("trainer.precision", "bf16", CPU)


def test_the_trial_itself_comes_to_an_end() -> None:
    hardware._bf16_obstacle_of_cpu.cache_clear()
    assert "trying it failed" not in (hardware.bf16_obstacle(CPU) or "")


def test_a_gpu_older_than_ampere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    gpu = torch.device("cuda:0")
    for capability, obstacle in (((7, 5), "Tesla T4 has compute capability 7.5"), ((8, 0), None)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        found = hardware.bf16_obstacle(gpu)
        assert (found is None) if obstacle is None else found.startswith(obstacle)
