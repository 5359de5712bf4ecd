"""The components that the guides add in two files each: they run as they stand."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts import ROOT

GUIDES = ROOT / "docs"
SMALL = ("trainer.epochs=1", "device=cpu")
Train = Callable[..., dict[str, str]]
SBM = ("dataset=sbm", "dataset.scale=0.003")


def files_of(page: Path) -> dict[str, str]:
    """The files that a page shows: a path in backticks, then a block of Python or YAML."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"`([\w/]+\.\w+)`[^\n]*:\n\n```(?:python|yaml)\n(.*?)```", text, re.DOTALL)
    return dict(found)


@pytest.fixture
def train(
    folder: Path, call: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, str]]:
    """Run `redditgnn train` in `folder` with the components there; return the row."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)

    def run(*arguments: str) -> dict[str, str]:
        code, stderr = call("train", "--config-dir", "conf", *arguments, *SMALL)
        assert code == 0, stderr
        with (folder / "results" / "runs.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        return row

    return run


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the files that the page of the test shows."""
    files = files_of(request.param)
    assert [Path(name).suffix for name in files] == [".py", ".yaml"]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def page(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folder", [path], indirect=True, ids=[path.name])


@page(GUIDES / "add-a-sampler.md")
def test_the_sampler_of_the_guide_trains(train: Train) -> None:
    row = train(*SBM, "model=sage", "sampler=nodes", "sampler.batch_size=200")
    assert (row["status"], row["sampler"]) == ("completed", "nodes")


@page(GUIDES / "add-a-dataset.md")
def test_the_dataset_of_the_guide_trains(folder: Path, train: Train) -> None:
    generator = np.random.default_rng(0)
    ends = generator.integers(60, size=(2, 200))
    masks = {
        name: np.arange(60) % 3 == number for number, name in enumerate(("train", "val", "test"))
    }
    np.savez(
        folder / "letters.npz",
        x=generator.random((60, 5), dtype=np.float32),
        edge_index=np.concatenate([ends, ends[::-1]], axis=1),
        y=np.arange(60) % 4,
        **masks,
    )
    row = train("dataset=letters", "data_dir=.", "model=gat", "sampler=full")
    assert (row["status"], row["dataset"]) == ("completed", "letters")


def test_the_guide_to_models_shows_the_model_of_the_readme() -> None:
    guide, readme = files_of(GUIDES / "add-a-model.md"), files_of(ROOT / "README.md")
    assert guide.keys() == readme.keys()
    for name, text in readme.items():
        assert text in guide[name]
