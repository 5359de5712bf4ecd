"""The parts of a run: which device, what training sees, and what a row says of the sampler."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.run.execution import run
from redditgnn.runtime.hardware import resolve_device

SMALL = ("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4")


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(
    ("name", "device"),
    [("auto", "cuda:0"), ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:2", "cuda:2")],
)
def test_a_device_is_chosen_by_name_and_number(name: str, device: str) -> None:
    assert resolve_device(name) == torch.device(device)


@pytest.mark.usefixtures("three_gpus")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device=cuda:3 .* torch finds 3 .* use device=cuda:2"):
        resolve_device("cuda:3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(name: str) -> None:
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match=f"device={name} needs a CUDA device"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda1", "cpu:0", "tpu", "auto:1", ""])
def test_what_names_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="device must be auto, cpu, cuda or cuda:NUMBER"):
        compose_settings([f"device={name}"])


def test_an_inductive_run_trains_on_the_training_nodes_and_is_evaluated_on_all(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph()
    parts = Parts(compose_settings(["protocol=inductive", "device=cpu"]), graph=graph)
    assert parts.graph is graph
    assert parts.train_graph.num_nodes == int(graph.train_mask.sum())
    assert Parts(compose_settings(["device=cpu"]), graph=graph).train_graph is graph


def test_parts_anew_share_the_data_and_no_weights(make_graph: Callable[..., GraphData]) -> None:
    parts = Parts(compose_settings(["device=cpu", "sampler=full"]), graph=make_graph())
    other = parts.anew(parts.settings)
    assert (other.train_graph, other.trainer) == (parts.train_graph, parts.trainer)
    assert other.model is not parts.model


@pytest.mark.parametrize("model", ["sgc", "sign"])
def test_the_row_of_a_model_without_edges_says_what_its_sampler_drew(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = (f"data_dir={tmp_path}", f"results_dir={tmp_path}", "device=cpu", "trainer.epochs=1")
    with caplog.at_level("INFO"):
        row, _ = run(compose_settings([*SMALL, *places, f"model={model}", "sampler=neighbor"]))
    assert json.loads(row.hyperparameters)["sampler.num_neighbors"] == [1]
    assert f"model={model} reads no edges: sampler.num_neighbors=[1]" in caplog.text


def test_the_row_of_a_model_with_edges_says_what_was_asked_for(tmp_path: Path) -> None:
    places = (f"data_dir={tmp_path}", f"results_dir={tmp_path}", "device=cpu", "trainer.epochs=1")
    row, _ = run(compose_settings([*SMALL, *places, "model=sage", "sampler=neighbor"]))
    assert json.loads(row.hyperparameters)["sampler.num_neighbors"] == [25, 10]
