"""Whether the key `trainer.class_weight` fits the labels."""

from __future__ import annotations

from torch import Tensor

from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.metric.class_weight import ClassWeight


def check_class_weight(weight: ClassWeight, y: Tensor, graph: GraphData) -> None:
    """Refuse a `weight` that does not fit `y`, the labels of the training nodes of `graph`."""
    name = f"trainer.class_weight={weight}"
    require(
        y.dim() == 1,
        f"{name} needs one label a node, and nodes of dataset={graph.name} may have several; "
        "use trainer.class_weight=null",
    )
    if weight == "balanced":
        return
    require(
        len(weight) == graph.num_classes,
        f"{name} must have a number for each of the {graph.num_classes} classes of "
        f"dataset={graph.name}, got {len(weight)}",
    )
    require(
        any(weight[c] > 0 for c in y.unique().tolist()),
        f"{name} must be positive for a class that training nodes have",
    )
