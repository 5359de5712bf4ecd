"""What operators of torch have to do at least: products of matrices, and bytes of operands."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class OperationCount:
    """Counts the operations of matrix products, and the bytes of operands, while it is entered.

    Attributes:
        flop: Floating point operations of matrix products, by torch's formulas.
        bytes: Of what operators read and write, each operand of a call once. It is the least that
            has to move if no operator leaves anything in a cache for the next.
    """

    def __init__(self) -> None:
        self.flop = self.bytes = 0
        self._products, self._operands = FlopCounterMode(display=False), _Operands()

    def __enter__(self) -> OperationCount:
        self._products.__enter__()
        self._operands.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._operands.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._products.__exit__(kind, error, trace)
        self.flop, self.bytes = self._products.get_total_flops(), self._operands.bytes


class _Operands(TorchDispatchMode):
    """Adds up the bytes of the operands of all operators that compute something."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            operands = tree_leaves((args, kwargs, out))
            distinct = {id(t): t for t in operands if isinstance(t, Tensor)}
            self.bytes += sum(t.numel() * t.element_size() for t in distinct.values())
        return out
