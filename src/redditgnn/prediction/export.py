"""A folder with a trained model that plain PyG loads: weights, data, and an example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from redditgnn.errors import DataError, UserError
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.model.base import Backbone
from redditgnn.prediction.stock import stock_code
from redditgnn.runtime.files import whole_folder
from redditgnn.runtime.precision import at_least_float32

EXAMPLE = '''\
"""The model of run {run_id} in layers of PyG. Start it in this folder: python example.py"""

{code}

model = Model().eval()
model.load_state_dict(torch.load("weights.pt"))
data = torch.load("data.pt")  # x, edge_index, y, the masks, and the logits of redditgnn
with torch.no_grad():
    logits = model(data["x"], data["edge_index"])
print("largest difference to redditgnn:", (logits - data["logits"]).abs().max().item())
'''
FILES = ("example.py", "weights.pt", "data.pt", "model.json")


def write_export(
    folder: Path,
    model: Backbone,
    graph: GraphData,
    logits: Float[Tensor, "nodes classes"],
    description: Mapping[str, Any],
) -> None:
    """Write `FILES` into `folder`, which is new, empty, or an earlier export.

    `description` has the key `run_id`, and becomes model.json.

    Raises:
        UserError: the model has no stock layers, or the folder holds something else.
        DataError: the folder cannot be written.
    """
    _refuse_other_content(folder)
    if graph.edge_weight is not None:
        raise UserError(
            f"{graph.name} has edge weights, which an export does not hold; 'redditgnn predict' "
            "writes the model's answers"
        )
    code = stock_code(model, graph.x.shape[1])
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as place:
            torch.save(weights, place / "weights.pt")
            torch.save(_tensors_of(graph) | {"logits": logits}, place / "data.pt")
            text = json.dumps(description, indent=2) + "\n"
            (place / "model.json").write_text(text, encoding="utf-8")
            example = EXAMPLE.format(run_id=description["run_id"], code=code)
            (place / "example.py").write_text(example, encoding="utf-8")
    except (OSError, RuntimeError) as error:  # torch.save words an error of the disk anew
        raise DataError(f"{folder} cannot be written ({error}); name another folder") from error


def _tensors_of(graph: GraphData) -> dict[str, Tensor]:
    edge_index = torch.stack([graph.col.long(), row_of_edge(graph.rowptr, len(graph.col))])
    return {
        "x": at_least_float32(graph.dense_x),
        "edge_index": edge_index,
        "y": graph.y,
        "train_mask": graph.train_mask,
        "val_mask": graph.val_mask,
        "test_mask": graph.test_mask,
    }


def _refuse_other_content(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out: {folder} is a file; name a folder")
    strangers = {path.name for path in folder.glob("*")} - set(FILES)
    if strangers:
        raise UserError(
            f"--out: {folder} holds {min(strangers)}, and would be replaced; name a new folder"
        )
