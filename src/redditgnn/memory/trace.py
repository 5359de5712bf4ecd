"""Bytes of tensors that exist at once, counted without the noise of a process's memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CountedAs = Callable[[int], float]
"""As how many elements a storage of so many elements counts."""


class TensorTrace(TorchDispatchMode):
    """Notes every storage that comes into being while it is active, and when it is freed.

    What torch's operators allocate and free within themselves does not count. What ours do does.
    Tensors that Numba made count from when an operator of torch first reads them. Tensors in
    `existing` were there before: they do not count.
    """

    def __init__(self, existing: Iterable[Any] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._existing = [
            t.untyped_storage() for t in _strided(existing)
        ]  # else addresses come back
        self._alive = {storage._cdata for storage in self._existing}
        self._events: list[tuple[int, int]] = []  # elements, and bytes of one: negative when freed

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the operator, and note what it read and gave."""
        if func.namespace == "redditgnn":
            with self:
                out = func.redispatch(_keys_of(args), *args, **(kwargs or {}))
        else:
            out = func(*args, **(kwargs or {}))
        for tensor in _strided(tree_leaves((args, kwargs, out))):
            self._note(tensor.untyped_storage(), tensor.element_size())
        return out

    def __exit__(self, *error: Any) -> None:
        """Stop, and remember what is there: it may be freed at any time from now on."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._num_events = len(self._events)

    def left(self, counted_as: CountedAs = float) -> float:
        """Return the bytes that still existed at the end."""
        events = self._events[: self._num_events]
        return sum(counted_as(numel) * size for numel, size in events)

    def peak(self, counted_as: CountedAs = float) -> float:
        """Return the most bytes that existed at once, if small tensors stood for large ones."""
        now = most = 0.0
        for numel, size in self._events:
            now += counted_as(numel) * size
            most = max(most, now)
        return most

    def _note(self, storage: torch.UntypedStorage, size: int) -> None:
        address, numel = storage._cdata, storage.nbytes() // size
        if address in self._alive:
            return
        self._alive.add(address)
        self._events.append((numel, size))
        weakref.finalize(storage, self._freed, address, numel, size)

    def _freed(self, address: int, numel: int, size: int) -> None:
        self._alive.discard(address)
        self._events.append((numel, -size))


def _keys_of(args: tuple[Any, ...]) -> torch._C.DispatchKeySet:
    """Return the key of the implementation for the device of the first tensor: no other stop."""
    device = _strided(args)[0].device.type
    return torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, device.upper()))


def tensor_bytes(values: Iterable[Any], apart_from: Iterable[Any] = ()) -> int:
    """Add up the tensors among `values`; storages count once, those of `apart_from` not at all."""
    others = {tensor.untyped_storage()._cdata for tensor in _strided(apart_from)}
    sizes = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in _strided(values)}
    return sum(size for address, size in sizes.items() if address not in others)


def _strided(values: Iterable[Any]) -> list[Tensor]:
    return [v for v in values if isinstance(v, Tensor) and v.layout == torch.strided]
