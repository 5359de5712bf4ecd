"""The number formats that matrix products are computed in.

`fp32`: float32. `tf32`: operands rounded to 10 bits of mantissa, only on CUDA. `bf16`: operands and
result rounded to bfloat16 by autocast, with parameters, losses and optimizer in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from redditgnn.errors import require
from redditgnn.runtime.hardware import bf16_obstacle

Precision = Literal["fp32", "tf32", "bf16"]


def check_precision(key: str, precision: Precision, device: torch.device) -> None:
    """Refuse a precision that `device` has no hardware for.

    Raises:
        ConfigError: names `key`, the reason and the way out.
    """
    require(
        precision != "tf32" or device.type == "cuda",
        f"{key}=tf32 needs a CUDA device, and this run is on the CPU; use {key}=fp32",
    )
    if precision == "bf16":
        obstacle = bf16_obstacle(device)
        require(obstacle is None, f"{key}=bf16 cannot run here: {obstacle}; use {key}=fp32")


@contextmanager
def float32_products(precision: Precision) -> Iterator[None]:
    """Allow TF32 products only for `tf32`, and restore the earlier setting afterwards."""
    products, recurrent = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = recurrent


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass: bfloat16 products for `bf16`, else no change."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` itself, or as float32 if it has fewer bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
