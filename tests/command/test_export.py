"""`redditgnn export`: what it writes runs without redditgnn, to the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import redditgnn
from redditgnn.config.compose import compose_settings
from redditgnn.errors import UserError
from redditgnn.graph.data import GraphData
from redditgnn.prediction.export import write_export
from redditgnn.prediction.stock import stock_code

SBM = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
RUN = (*SBM, "trainer.epochs=1", "device=cpu", "sampler=full", "model.hidden_channels=8")


# A process of its own, which cannot import this package, runs the examples of all folders.
EXAMPLES = """
import os, runpy, sys, torch
sys.modules["redditgnn"] = None
for folder in sys.argv[1:]:
    os.chdir(folder)
    torch.save(runpy.run_path("example.py")["logits"], "theirs.pt")
"""


def test_the_example_gives_the_logits_of_the_run_without_this_package(
    tmp_path: Path, recorded: Path
) -> None:
    places = (f"data_dir={recorded / 'data'}", f"results_dir={tmp_path / 'results'}")
    runs = [redditgnn.train([*RUN, *places, f"model={name}"]) for name in ("gcn", "sage", "gat")]
    folders = [run.export(tmp_path / run.run_id) for run in runs]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", EXAMPLES, *folders], check=True, env=environment)
    for run, folder in zip(runs, folders, strict=True):
        logits = torch.load(folder / "theirs.pt")
        torch.testing.assert_close(logits, run.logits(), rtol=1e-5, atol=1e-5)
        assert json.loads((folder / "model.json").read_text())["classes"] == ["0", "1", "2", "3"]
        assert len((folder / "example.py").read_text().splitlines()) < 35


STACKS = {
    "mlp": "model=mlp",
    "gin": "model=gin model.train_eps=true",
    "gatv2": "model=gatv2 model.heads=2 model.out_heads=2",
    "sage max": "model=sage model.aggr=max",
    "norm, skips, jk": "model=gcn model.norm=batch model.residual=true model.jk=lstm",
    "jk last": "model=gcn model.jk=last",
    "jk cat": "model=sage model.norm=layer model.jk=cat model.num_layers=3",
    "pyg": "model=pyg",
    "appnp": "model=appnp model.num_layers=4",
    "gcn2": "model=gcn2 model.num_layers=3",
    "gcn2, all extras": (
        "model=gcn2 model.num_layers=3 model.shared_weights=false model.norm=batch"
        " model.residual=true"
    ),
    "sgc": "model=sgc model.num_hops=3",
    "pyg Transformer": "model=pyg model.conv._target_=torch_geometric.nn.TransformerConv",
}
REFUSED = {
    "model=sign": "SIGN is not exported: it is not built of PyG's layers, as model=mlp, gcn, sage",
    "model=pna": r"PNA with these settings is not exported: .* \(TypeError\); 'redditgnn predict'",
    "model=sage model.aggr=lstm": "GraphSAGE with these settings is not exported: its layers do",
    "model=sage model.aggr=gcn": "gives other numbers than the stack of PyG's own layers",
}


def build(graph: GraphData, overrides: str) -> torch.nn.Module:
    model = overrides.split()[0]
    width = [] if model == "model=sgc" else ["model.hidden_channels=8"]
    settings = compose_settings([*overrides.split(), *width])
    return settings.build("model", graph.spec).eval()


@pytest.mark.parametrize("overrides", STACKS.values(), ids=STACKS.keys())
def test_every_stack_of_stock_layers_is_written_as_such(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    code = stock_code(build(make_graph(), overrides), 5)  # compares the numbers itself
    assert "redditgnn" not in code


@pytest.mark.parametrize(("overrides", "part"), REFUSED.items())
def test_a_model_that_stock_layers_cannot_rebuild_is_refused(
    overrides: str, part: str, make_graph: Callable[..., GraphData]
) -> None:
    with pytest.raises(UserError, match=part):
        stock_code(build(make_graph(), overrides), 5)


def test_edge_weights_are_not_exported(
    make_graph: Callable[..., GraphData], tmp_path: Path
) -> None:
    graph = make_graph()
    weighted = replace(graph, edge_weight=torch.ones(graph.num_edges))
    model, folder = build(graph, "model=gcn"), tmp_path / "export"
    with pytest.raises(UserError, match="random0 has edge weights, which an export does not hold;"):
        write_export(folder, model, weighted, torch.zeros(20, 3), {"run_id": "a"})
    assert not folder.exists()


def test_a_folder_with_other_files_is_not_replaced(
    refused: Callable[..., str], works: Callable[..., None], tmp_path: Path
) -> None:
    results = f"results_dir={tmp_path / 'results'}"
    message = refused("export", "latest", results, "--out", str(tmp_path))
    assert "holds data, and would be replaced; name a new folder" in message
    for _ in range(2):  # an earlier export is replaced
        works("export", "latest", results, "--out", str(tmp_path / "new"))
    assert (tmp_path / "new" / "example.py").is_file()
    assert "is a file; name a folder" in refused("export", "latest", results, "--out=/dev/null")
