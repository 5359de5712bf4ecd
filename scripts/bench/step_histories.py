"""Training with histories: its cost, and the share of their transfers that is hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from redditgnn.histories.host import HostHistories
from redditgnn.runtime.measure import MIB
from redditgnn.sampler.base import preserved_position
from redditgnn.sampler.gas import history_store
from scripts.bench.cases.training import OurTraining, WithoutHistories
from scripts.bench.rows.row import Row
from scripts.bench.step_bench import DROPOUT, HIDDEN, StepBench
from scripts.bench.timing.alternate import Side

PARTS, PARTS_A_BATCH = 40, 10
PARTITION = (f"sampler.num_parts={PARTS}", f"sampler.batch_size={PARTS_A_BATCH}")
GCN = ("model=gcn", f"model.hidden_channels={HIDDEN}", f"model.dropout={DROPOUT}")
SETTINGS = {"model": "gcn", "hidden": HIDDEN, "parts": PARTS, "parts_a_batch": PARTS_A_BATCH}
NEAR, FAR, ALONE = "histories on the device", "histories on the host", "transfers alone"


def gas(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch with histories against the same batches without, and against clusters."""
    with_histories = bench.ours([*GCN, "sampler=gas", *PARTITION])
    plain = OurTraining(
        bench.graph,
        [*GCN, "sampler=gas", *PARTITION],
        bench.device,
        bench.folder,
        WithoutHistories(with_histories.sampler),
    )
    clusters = bench.ours([*GCN, "sampler=cluster", *PARTITION])
    trainings = {"without histories": plain, "gas": with_histories, "cluster": clusters}
    return bench.compare_epochs(work, trainings, dict(SETTINGS))


def history_transfers(work: str, bench: StepBench) -> list[Row]:
    """Time histories on the device, in host memory, and their transfers with nothing else to do.

    What the second takes longer than the first is the share of the third that is not hidden. Host
    memory is page-locked. For a CPU it is a file, which the same thread reads and writes.
    """
    place = "cpu" if bench.device.type == "cuda" else "disk"
    near = bench.ours([*GCN, "sampler=gas", *PARTITION])
    far = bench.ours([*GCN, "sampler=gas", *PARTITION, f"sampler.history_device={place}"])
    alone = Transfers(far, bench)
    sides = [Side(NEAR, near.epoch), Side(FAR, far.epoch), Side(ALONE, alone.epoch)]
    settings = SETTINGS | {"history_device": place, "transferred_mib": round(alone.num_bytes / MIB)}
    losses = {NEAR: near.losses, FAR: far.losses}
    faults = bench.faults({NEAR: near, FAR: far})
    rows = bench.compare(work, sides, settings, losses=losses, faults=faults)
    return [with_hidden_share(row, rows) if row.side == FAR else row for row in rows]


def with_hidden_share(row: Row, rows: Sequence[Row]) -> Row:
    """Add the share of the transfers that costs no time, where all three sides have one.

    If they take less than the epochs vary, nothing can be said.
    """
    sides = {each.side: each for each in rows}
    near, far, alone = (sides[side].median_s for side in (NEAR, FAR, ALONE))
    if near is None or far is None or not alone:
        return row
    if alone < max((sides[side].high_s or 0) - (sides[side].low_s or 0) for side in (NEAR, FAR)):
        return replace(row, note="transfers take less than epochs vary")
    share = hidden_share(near, far, alone)
    settings = json.loads(row.settings) | {"hidden_share": round(share, 3)}
    return replace(row, settings=json.dumps(settings), note=f"{share:.0%} of transfers hidden")


def hidden_share(near_s: float, far_s: float, alone_s: float) -> float:
    """Return the share of `alone_s` by which an epoch did not become longer."""
    return 1 - (far_s - near_s) / alone_s


class Transfers:
    """The pulls and pushes of an epoch, without a model.

    Attributes:
        num_bytes: Bytes that an epoch copies between host and device.
    """

    def __init__(self, training: OurTraining, bench: StepBench) -> None:
        sampler: Any = training.sampler
        settings = next(o for o in training.overrides if o.startswith("sampler.history_device="))
        place: Any = settings.partition("=")[2]
        store = history_store(bench.graph, bench.device, place)
        assert isinstance(store, HostHistories)
        self._store, self._layers = store, range(training.model.num_layers - 1)
        with preserved_position(sampler):
            batches = [(batch.node_ids, batch.num_targets) for batch in sampler]
        self._batches = [(ids[:inside], ids[inside:]) for ids, inside in batches]
        largest = max(len(inside) for inside, _ in self._batches)
        self._h = torch.zeros(largest, HIDDEN, device=bench.device)
        num_rows = sum(len(inside) + len(halo) for inside, halo in self._batches)
        self.num_bytes = num_rows * len(self._layers) * HIDDEN * self._h.itemsize
        for layer in self._layers:  # creates the tables
            self._store.push(layer, self._h[:1], torch.zeros(1, dtype=torch.int64))

    def epoch(self) -> None:
        """Pull and push what the batches do, one after the other."""
        for inside, halo in self._batches:
            pulls = [self._store.pull(layer, halo) for layer in self._layers]
            for pull in pulls:
                pull.result().wait()
            for layer in self._layers:
                self._store.push(layer, self._h[: len(inside)], inside)
        self._store.settle()


HISTORIES: dict[str, Callable[[str, StepBench], list[Row]]] = {
    "gas epoch": gas,
    "history transfers": history_transfers,
}
