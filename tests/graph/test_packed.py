"""Features from a pack are those of the table, whatever the pack may hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import redditgnn
from redditgnn.errors import ConfigError
from redditgnn.graph import packed
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.packed import Packing
from redditgnn.runtime.memory import GIB
from redditgnn.sampler.neighbor import NeighborSampler

ROW_BYTES = 7 * 4


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    graph = make_graph(num_nodes=60, num_edges=400)
    return replace(graph, x=torch.randn(60, 7))


def sampler_of(graph: GraphData, **settings: Any) -> NeighborSampler:
    defaults: dict[str, Any] = {
        "num_layers": 2,
        "device": torch.device("cpu"),
        "seed": 3,
        "num_neighbors": [3, 2],
        "batch_size": 4,
        "feature_tier": "packed",
        "pack_gib": None,
    }
    return NeighborSampler(graph, **defaults | settings)


def equal(batch: Batch, other: Batch) -> bool:
    names = ("x", "y", "node_ids", "rowptr", "col", "degree", "loss_weight")
    return all(torch.equal(getattr(batch, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("rows", [1, 30, 10**6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_batches_are_those_of_mmap(
    graph: GraphData, rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "PIECE", 64)
    graph = replace(graph, x=graph.x.to(dtype))  # type: ignore[union-attr]
    gib = 2 * rows * ROW_BYTES / GIB
    plain, packing = sampler_of(graph, feature_tier="mmap"), sampler_of(graph, pack_gib=gib)
    for _ in range(2):
        batches = [*zip(plain, packing, strict=True)]
        assert len(batches) == len(plain) > 2
        assert all(equal(*pair) for pair in batches)


def test_training_has_the_bits_of_mmap(tmp_path: Path) -> None:
    words = ["dataset=sbm", "dataset.scale=0.002", "model=sage", "sampler=neighbor"]
    words += ["model.hidden_channels=8", "sampler.batch_size=64", "trainer.epochs=2"]
    words += [f"data_dir={tmp_path}", "device=cpu"]
    for tier in ("mmap", "packed"):
        folder = tmp_path / tier
        redditgnn.train([*words, f"results_dir={folder}", f"sampler.feature_tier={tier}"])
    weights = [
        torch.load(next((tmp_path / tier).rglob("best.pt")), weights_only=True)
        for tier in ("mmap", "packed")
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_chosen_batches_are_packed_alone(graph: GraphData) -> None:
    plain, packing = sampler_of(graph, feature_tier="mmap"), sampler_of(graph)
    wanted = [batch for number, batch in enumerate(plain) if number % 2]
    chosen = packing.select(lambda number: number % 2 == 1)
    assert all(equal(*pair) for pair in zip(wanted, chosen, strict=True))


def test_packs_take_no_more_disk_than_they_may(
    graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    new_file = Packing._new_file
    monkeypatch.setattr(
        Packing, "_new_file", lambda self, size: sizes.append(size) or new_file(self, size)
    )
    largest = max(len(batch.node_ids) for batch in sampler_of(graph)) * ROW_BYTES
    sizes.clear()
    assert len([*sampler_of(graph, pack_gib=4 * largest / GIB)]) > len(sizes) > 2
    assert max(sizes) <= 2 * largest


def test_a_pack_has_no_name_and_is_closed_when_an_epoch_is_left(
    graph: GraphData, tmp_path: Path
) -> None:
    sampler, files = sampler_of(replace(graph, cache_dir=tmp_path), pack_gib=1e-6), open_packs()
    batches = iter(sampler)
    next(batches)
    assert [*tmp_path.iterdir()] == []
    assert open_packs() > files
    batches.close()  # type: ignore[attr-defined]
    assert open_packs() == files


def open_packs() -> int:
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum("(deleted)" in os.readlink(link) for link in links if link.is_symlink())


def test_a_full_disk_is_told(graph: GraphData, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "reserve", refuse)
    with pytest.raises(ConfigError, match=r"packed needs 0.0 GiB in .*No space left.*pack_gib"):
        next(iter(sampler_of(graph)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pack_gib": 0}, "sampler.pack_gib must be positive, got 0"),
        ({"pack_gib": 2, "feature_tier": "mmap"}, "pack_gib=2 needs sampler.feature_tier=packed"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    graph: GraphData, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sampler_of(graph, **settings)


def test_features_with_few_non_zeros_are_refused(graph: GraphData) -> None:
    few = torch.zeros(60, 7)
    few[0, 0] = 1
    with pytest.raises(ConfigError, match=r"packed needs dense features.*feature_tier=mmap"):
        sampler_of(replace(graph, x=few))


def test_an_error_while_sampling_ends_the_epoch(graph: GraphData) -> None:
    def failing() -> Iterator[Batch]:
        raise RuntimeError("no batch")
        yield

    with pytest.raises(RuntimeError, match="no batch"):
        next(Packing(graph.x, None, None)(failing()))
