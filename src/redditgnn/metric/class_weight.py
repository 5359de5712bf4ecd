"""Weights of classes in the cross entropy, for classes of unequal size."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

ClassWeight = Literal["balanced"] | list[int | float]


def class_weights(
    y: Int64[Tensor, " nodes"], num_classes: int, weight: ClassWeight
) -> Float32[Tensor, " classes"]:
    """Return the factor of each class in the loss of the training nodes, whose labels are `y`.

    `balanced` is w_c = n / (classes * n_c), as in scikit-learn, over the classes that `y` has. A
    list has a weight for each class. It is scaled so that the mean of the factors over the nodes is
    1, which `balanced` fulfils: the loss stays a mean over training nodes.
    """
    counts = torch.bincount(y, minlength=num_classes).double()
    if weight == "balanced":
        present = counts > 0
        weights = torch.where(present, len(y) / (present.sum() * counts.clamp(min=1)), 0.0)
    else:
        weights = torch.tensor(weight, dtype=torch.float64)
        weights *= len(y) / (weights @ counts)
    return weights.float()
