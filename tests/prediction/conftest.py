"""A tiny graph of one's own in files, with names that are hard to write, and runs on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import redditgnn

IDS = ["anna", "ben, jr.", 'say "hi"', "eva ü", "漢字", "a|b", "007", "7", "x y", "nan", "=1+1"]
IDS += [f"person{number}" for number in range(25)]
CLASSES = ("cat, big", 'd"og', "öl")


def nodes_table() -> pd.DataFrame:
    """Every seventh node has no label."""
    number = np.arange(len(IDS))
    generator = np.random.default_rng(0)
    label = np.where(number % 7 == 6, "", np.array(CLASSES)[number % 3])
    return pd.DataFrame(
        {
            "id": IDS,
            "age": generator.normal(size=len(IDS)).round(3),
            "colour": np.array(["red", "blue"])[number % 2],
            "label": label,
        }
    )


def edges_table() -> pd.DataFrame:
    ends = np.random.default_rng(1).integers(0, len(IDS), (2, 120))
    return pd.DataFrame(np.array(IDS)[ends].T, columns=["src", "dst"]).drop_duplicates()


@pytest.fixture(scope="session")
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nodes.csv and edges.csv, and the same grown by two nodes in later-*.csv."""
    folder = tmp_path_factory.mktemp("own")
    nodes, edges = nodes_table(), edges_table()
    later = pd.DataFrame(
        {"id": ["new, 1", "new2"], "age": [0.1, 0.2], "colour": "red", "label": ""}
    )
    links = pd.DataFrame({"src": ["anna", "7"], "dst": ["new, 1", "new2"]})
    nodes.to_csv(folder / "nodes.csv", index=False)
    edges.to_csv(folder / "edges.csv", index=False)
    pd.concat([nodes, later]).to_csv(folder / "later-nodes.csv", index=False)
    pd.concat([edges, links]).to_csv(folder / "later-edges.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def files(own_files: Path) -> Callable[..., list[str]]:
    """Overrides that name files of `own_files`, by default those that runs are trained on."""

    def name(nodes: str = "nodes.csv", edges: str = "edges.csv") -> list[str]:
        paths = {"nodes": own_files / nodes, "edges": own_files / edges}
        return [f"dataset.{key}={path}" for key, path in paths.items()]

    return name


@pytest.fixture(scope="session")
def train_own(own_files: Path, files: Callable[..., list[str]]) -> Callable[[str], redditgnn.Run]:
    """A function that trains on `own_files` for an epoch, with these overrides."""

    def train(overrides: str) -> redditgnn.Run:
        places = (f"data_dir={own_files / 'data'}", f"results_dir={own_files / 'results'}")
        model, *rest = overrides.split()
        width = [] if model == "model=sgc" else ["model.hidden_channels=8"]
        common = ["dataset=files", *files(), *places, "trainer.epochs=1", "device=cpu"]
        return redditgnn.train([*common, model, *width, *rest])

    return train
