"""Command lines of the usual form are merged from files, and exactly as Hydra composes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn import CONF_DIR
from redditgnn.config import compose
from redditgnn.config.compose import compose_by_hydra, compose_values, prepare_overrides
from redditgnn.config.merge import merge_files

GAT = (CONF_DIR / "model" / "gat.yaml").read_text(encoding="utf-8")
EXPERIMENT = "# @package _global_\n# Ours\ndefaults:\n  - override /model: mine\n"
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of options into a folder of the user."""

    def written(name: str, text: str) -> None:
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return written


def assert_same(overrides: list[str], folder: Path | None = None) -> None:
    folders = [CONF_DIR] if folder is None else [CONF_DIR, folder]
    merged, hydras = merge_files(overrides, folders), compose_by_hydra(overrides, folder)
    assert merged is not None, "left to Hydra"
    assert repr(sorted(merged[0].items())) == repr(sorted(hydras[0].items()))
    assert merged[1].items() <= hydras[1].items()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "dataset=sbm dataset.scale=1e-3 model=gat model=sage",
        "tracker=wandb protocol=temporal embedding=deepwalk sweep.jobs=2",
        "sampler.num_neighbors=[3,5] trainer.epochs=null device='cuda:0' data_dir=/tmp/a-1/b",
        "results_dir=${oc.env:HOME} seed=1_000 kernels={backend:torch} seed=2",
        "dataset=pyg dataset.arguments.name=x +dataset.extra={a:1} ++model.dropout=0.25",
        "model=gat ~model.jk",
        "experiment=cora_gat model=sage ~target",
    ],
)
def test_a_command_line_composes_as_by_hydra(line: str) -> None:
    assert_same(prepare_overrides(line.split()))


def test_so_do_options_of_the_user(write: Write, tmp_path: Path) -> None:
    write("model/mine", GAT.replace("dropout: 0.6", "dropout: ${seed}"))
    write("dataset/cora", "name: ours is found first\n")
    write("experiment/ours", EXPERIMENT + "trainer: {epochs: 1e1}\n")
    assert_same(["experiment=ours", "dataset=cora"], tmp_path)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("model=gcn_gas", ""),  # an option that has defaults
        ("+model={extra:1}", ""),
        ("experiment=ours", EXPERIMENT + "  - _self_\n"),
        ("experiment=ours", EXPERIMENT.replace("_global_", "trainer")),
        ("+experiment@model=ours", EXPERIMENT),
        ("seed=1,2", ""),
        ("model.heds=1", ""),
        ("modle=gat", ""),
        ("model=gatt", ""),
        ("~model", ""),
        ("seed", ""),
    ],
)
def test_any_other_form_and_every_mistake_is_left_to_hydra(
    line: str, text: str, write: Write, tmp_path: Path
) -> None:
    write("model/mine", GAT)
    write("experiment/ours", text)
    assert merge_files([line], [CONF_DIR, tmp_path]) is None


def test_a_file_that_changes_is_read_again(write: Write, tmp_path: Path) -> None:
    for seed in (1, 2):
        write("experiment/ours", f"# @package _global_\nseed: {seed}\n")
        assert compose_values(["experiment=ours"], tmp_path)[0]["seed"] == seed


def test_what_is_composed_can_be_changed_without_changing_the_next() -> None:
    first = compose.compose_settings(["dataset=cora"])
    first.components["dataset"]["arguments"]["name"] = "changed"
    again = compose.compose_settings(["dataset=cora"])
    assert again.components["dataset"]["arguments"]["name"] == "Cora"


def test_hydra_does_not_compose_what_can_be_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(compose, "compose_by_hydra")
    compose.compose_settings(["model=gat", "experiment=cora_gat", "trainer.epochs=3"])
