"""The planted classes of the bench are those that `sbm` makes its edges from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.bench.cases.setup import Setup
from scripts.bench.communities import planted_classes, scores


def test_planted_classes_are_the_labels_without_their_noise(tmp_path: Path) -> None:
    setup = Setup(
        dataset="sbm",
        scale=0.001,
        data_dir=str(tmp_path),
        device_name="cpu",
        repeats=1,
        budget_s=1,
    )
    graph, planted = setup.load_graph(), planted_classes(setup)
    assert planted is not None
    assert 0.9 < np.mean(graph.y.numpy() == planted) < 0.99
    found = scores(graph, planted.astype(np.int32), planted)
    assert (found["nmi_planted"], found["ami_planted"]) == (1, 1)
