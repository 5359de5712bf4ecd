"""The age and the error of the rows that batches pull from histories."""

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
    """The epoch of each row's last push in each layer, and the ages of the pulled rows.

    Attributes:
        epoch: The last finished epoch. The states that a refresh stores count as pushed in the
            epoch after which it happens.
    """

    def __init__(self, num_nodes: int) -> None:
        self._num_nodes, self.epoch = num_nodes, 0
        self._push_epochs: dict[int, Int32[Tensor, " nodes"]] = {}
        self._pulled_epochs: dict[int, list[Tensor]] = defaultdict(list)

    def count_exchange(
        self, layer: int, inside: Int64[Tensor, " rows"], halo: Int64[Tensor, " halo"]
    ) -> None:
        """Count a pull of `halo` and a push of `inside`."""
        push_epochs = self._push_epochs_of(layer)
        self._pulled_epochs[layer].append(push_epochs.index_select(0, halo))
        push_epochs[inside] = self.epoch + 1

    def count_refresh(self, layer: int) -> None:
        """Count a push of all rows."""
        self._push_epochs_of(layer).fill_(self.epoch)

    def row(
        self, layer: int, history: Float[Tensor, "nodes width"], exact: Float[Tensor, "nodes width"]
    ) -> HistoryRow:
        """Summarise the finished epoch, and drop its pulls."""
        pulled_epochs = torch.cat(self._pulled_epochs.pop(layer))
        push_epochs = self._push_epochs_of(layer)
        ages = self.epoch - pulled_epochs[pulled_epochs != NEVER]
        errors = relative_errors(history, exact, (push_epochs != NEVER).nonzero().view(-1))
        return HistoryRow(
            epoch=self.epoch,
            layer=layer,
            pulled_rows=len(pulled_epochs),
            pulled_never_pushed=len(pulled_epochs) - len(ages),
            mean_age_epochs=float(ages.double().mean()) if len(ages) else None,
            max_age_epochs=int(ages.max()) if len(ages) else None,
            nodes_never_pushed=int((push_epochs == NEVER).sum()),
            error_rows=len(errors),
            mean_relative_error=float(errors.mean()) if len(errors) else None,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"pushed": dict(self._push_epochs), "pulled": dict(self._pulled_epochs)}

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        self.epoch = num_epochs
        self._push_epochs = {layer: epochs.clone() for layer, epochs in state["pushed"].items()}
        self._pulled_epochs = defaultdict(list, state["pulled"])

    def _push_epochs_of(self, layer: int) -> Int32[Tensor, " nodes"]:
        if layer not in self._push_epochs:
            self._push_epochs[layer] = torch.full((self._num_nodes,), NEVER, dtype=torch.int32)
        return self._push_epochs[layer]


class AgedHistories:
    """A batch's histories that report pulls and pushes to `ages`."""

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
        """Exchange through the histories, and count."""
        self._ages.count_exchange(layer, self._inside, self._halo)
        return self._histories.exchange(layer, h, node_ids)

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        return self._histories.penalty(model, batch)

    def with_states_of(self, other: Histories) -> Histories:
        return self._histories.with_states_of(other)


def relative_errors(
    history: Float[Tensor, "nodes width"],
    exact: Float[Tensor, "nodes width"],
    node_ids: Int64[Tensor, " rows"],
) -> Float[Tensor, " nonzero_rows"]:
    """Return ||history - exact|| / ||exact|| of these rows, except where `exact` is zero."""
    errors = []
    for ids in node_ids.split(ROWS_AT_ONCE):
        exact_rows = exact.index_select(0, ids.to(exact.device)).cpu().double()
        stale_rows = history.index_select(0, ids.to(history.device)).cpu().double()
        size = exact_rows.norm(dim=1)
        errors.append(((stale_rows - exact_rows).norm(dim=1) / size)[size > 0])
    return torch.cat(errors) if errors else torch.empty(0, dtype=torch.float64)
