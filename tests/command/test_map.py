"""`redditgnn map`, from a graph or a run to a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Call = Callable[..., tuple[int, str]]
DATA = ["dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4"]
RUN = ["model=gcn", "model.hidden_channels=8", "sampler=full", "trainer.epochs=1", "device=cpu"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, call: Call) -> list[str]:
    """Folders of data and results, where a run was trained."""
    folder = tmp_path_factory.mktemp("map")
    places = [f"data_dir={folder}/data", f"results_dir={folder}/results"]
    assert call("train", *DATA, *RUN, *places)[0] == 0
    return places


def folders_of(places: list[str]) -> set[Path]:
    return set(Path(places[1].partition("=")[2], "maps").glob("*"))


@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        (["dataset"], "degree"),
        ([*DATA, "map.of=embedding:fastrp", "embedding.dim=8"], "split"),
        (["map.of=run:latest", "map.colour=outcome"], "confidence"),
    ],
)
def test_a_map_is_a_page_a_picture_and_positions(
    arguments: list[str], column: str, places: list[str], call: Call
) -> None:
    before = folders_of(places)
    chosen = DATA if arguments == ["dataset"] else arguments
    code, stderr = call("map", *chosen, *places, "map.layout=pca")
    assert code == 0, stderr
    (folder,) = folders_of(places) - before
    assert {path.name for path in folder.iterdir()} == {"map.html", "map.npy", "map.png", "map.svg"}
    positions = np.load(folder / "map.npy")
    assert positions.shape[1] == 2
    assert np.isfinite(positions).all()
    assert f'"name":"{column}"' in (folder / "map.html").read_text()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["map.of=nothing"], "map.of must be features, embedding:NAME or run:RUN_ID, got"),
        (["map.of=run:nothing"], "nothing"),
        (["map.layuot=pca"], "map.layuot"),
        (["map.layout=spring"], "map.layout must be"),
        (["map.colour=mood"], "map.colour must be one of label, split, degree, got mood"),
        (["model=gat"], "model=gat: model has no effect on a map; choose from map.KEY"),
        (["map.communities=/nowhere"], "has no membership.npy"),
        (["map.seed=-1"], "map.seed must be in"),
        (["--foo"], "unknown option --foo"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], part: str, places: list[str], call: Call) -> None:
    code, stderr = call("map", *DATA, *places, *words)
    assert (code, stderr.count("\n")) == (2, 1), stderr
    assert part in stderr
