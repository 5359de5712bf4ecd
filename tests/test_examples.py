"""The notebooks in examples/ run from top to bottom, and show what their last run printed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SMALL = "dataset.scale=0.005"  # instead of the scale that a reader sees
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_five_of_them() -> None:
    assert len(NOTEBOOKS) == 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(sys, "path", sys.path[:])
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(path)):
        source = re.sub(r"dataset\.scale=[\d.]+", SMALL, "".join(cell["source"]))
        exec(compile(source, f"{path.name}, cell {number}", "exec"), namespace)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_its_outputs(path: Path) -> None:
    cells = code_cells(path)
    assert any(cell["outputs"] for cell in cells)
    assert not any(o["output_type"] == "error" for cell in cells for o in cell["outputs"])
