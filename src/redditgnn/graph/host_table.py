"""Features in host memory, read by a device that caches the hottest rows."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

ROWS_AT_ONCE = 2**16  # the cache is filled in pieces, so the host holds no second copy of it


class HostTable:
    """A `FeatureTable` with the rows `hot_ids` on `device` and the others in `host`.

    Args:
        host: All rows, page-locked if the device is a CUDA device.
        zero_copy: Whether the device reads cold rows by itself (Triton). Otherwise the CPU gathers
            them into page-locked memory, and they are copied.
    """

    def __init__(
        self,
        host: Float[Tensor, "nodes features"],
        hot_ids: Int64[Tensor, " hot"],
        device: torch.device,
        *,
        zero_copy: bool,
    ) -> None:
        self.shape, self.device, self.zero_copy = host.shape, device, zero_copy
        self._host, self._cache = host, host.new_empty(len(hot_ids), host.size(1), device=device)
        for start in range(0, len(hot_ids), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            self._cache[rows] = host.index_select(0, hot_ids[rows]).to(device)
        slot = torch.full((len(host),), -1, dtype=torch.int32)
        slot[hot_ids] = torch.arange(len(hot_ids), dtype=torch.int32)
        self._slot = slot.to(device)  # a row's index in the cache, -1 for cold rows

    def gather(
        self, node_ids: Int64[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "rows features"]:
        """Return these rows on the device, or all rows for None."""
        if node_ids is None:
            return self._host.to(self.device, non_blocking=True)
        node_ids = node_ids.to(self.device)
        slot = self._slot.index_select(0, node_ids)
        if self.zero_copy:
            from redditgnn.graph.gather_triton import gather_split

            return gather_split(self._host, self._cache, slot, node_ids)
        return self._gather_by_copy(slot, node_ids)

    def _gather_by_copy(self, slot: Tensor, node_ids: Tensor) -> Tensor:
        out = self._cache.new_empty(len(node_ids), self.shape[1])
        hot, cold = (slot >= 0).nonzero().view(-1), (slot < 0).nonzero().view(-1)
        out[hot] = self._cache.index_select(0, slot[hot])
        cold_ids = node_ids[cold].cpu()
        pinned = self.device.type == "cuda"
        buffer = self._host.new_empty(len(cold_ids), self.shape[1], pin_memory=pinned)
        torch.index_select(self._host, 0, cold_ids, out=buffer)
        out[cold] = buffer.to(self.device, non_blocking=True)
        return out
