"""How old the rows are that batches pull from histories, and how wrong."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from redditgnn.graph.batch import Histories
from redditgnn.record.rows import HistoryRow

NEVER = -1
ROWS_AT_ONCE = 2**16


class Ages:
    """When each row of each layer was pushed, and how old those were that were pulled.

    Attributes:
        epoch: The last one that is over. The states that a refresh stores count as pushed in the
            epoch behind which it happens.
    """

    def __init__(self, num_nodes: int) -> None:
        self._num_nodes, self.epoch = num_nodes, 0
        self._pushed: dict[int, Int32[Tensor, " nodes"]] = {}
        self._pulled: dict[int, list[Tensor]] = defaultdict(list)

    def exchanged(
        self, layer: int, inside: Int64[Tensor, " rows"], halo: Int64[Tensor, " halo"]
    ) -> None:
        """Count that `halo` was pulled and `inside` pushed."""
        pushed = self._pushed_in(layer)
        self._pulled[layer].append(pushed.index_select(0, halo))
        pushed[inside] = self.epoch + 1

    def refreshed(self, layer: int) -> None:
        """Count that all rows were pushed."""
        self._pushed_in(layer).fill_(self.epoch)

    def row(
        self, layer: int, history: Float[Tensor, "nodes width"], exact: Float[Tensor, "nodes width"]
    ) -> HistoryRow:
        """Sum up the epoch that is over, and forget what was pulled in it."""
        pushed_in, pushed = torch.cat(self._pulled.pop(layer)), self._pushed_in(layer)
        ages = self.epoch - pushed_in[pushed_in != NEVER]
        errors = relative_errors(history, exact, (pushed != NEVER).nonzero().view(-1))
        return HistoryRow(
            epoch=self.epoch,
            layer=layer,
            pulled_rows=len(pushed_in),
            pulled_never_pushed=len(pushed_in) - len(ages),
            mean_age_epochs=float(ages.double().mean()) if len(ages) else None,
            max_age_epochs=int(ages.max()) if len(ages) else None,
            nodes_never_pushed=int((pushed == NEVER).sum()),
            error_rows=len(errors),
            mean_relative_error=float(errors.mean()) if len(errors) else None,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"pushed": dict(self._pushed), "pulled": dict(self._pulled)}

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        self.epoch = num_epochs
        self._pushed = {layer: pushed.clone() for layer, pushed in state["pushed"].items()}
        self._pulled = defaultdict(list, state["pulled"])

    def _pushed_in(self, layer: int) -> Int32[Tensor, " nodes"]:
        if layer not in self._pushed:
            self._pushed[layer] = torch.full((self._num_nodes,), NEVER, dtype=torch.int32)
        return self._pushed[layer]


class AgedHistories:
    """Histories of a batch that say to `ages` what was pulled and pushed."""

    def __init__(
        self, histories: Histories, ages: Ages, node_ids: Int64[Tensor, " nodes"], num_inside: int
    ) -> None:
        self._histories, self._ages = histories, ages
        self._inside, self._halo = node_ids[:num_inside], node_ids[num_inside:]

    def begin(self) -> None:
        self._histories.begin()

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Do as the histories do, and count."""
        self._ages.exchanged(layer, self._inside, self._halo)
        return self._histories.exchange(layer, h, node_ids)

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        return self._histories.penalty(model, batch)

    def on(self, other: Histories) -> Histories:
        return self._histories.on(other)


def relative_errors(
    history: Float[Tensor, "nodes width"],
    exact: Float[Tensor, "nodes width"],
    node_ids: Int64[Tensor, " rows"],
) -> Float[Tensor, " found"]:
    """Return ||history - exact|| / ||exact|| of these rows, without those that are exactly zero."""
    found = []
    for ids in node_ids.split(ROWS_AT_ONCE):
        want = exact.index_select(0, ids.to(exact.device)).cpu().double()
        got = history.index_select(0, ids.to(history.device)).cpu().double()
        size = want.norm(dim=1)
        found.append(((got - want).norm(dim=1) / size)[size > 0])
    return torch.cat(found) if found else torch.empty(0, dtype=torch.float64)
