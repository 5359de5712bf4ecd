"""One page about the rows of a GPU: each piece of work beside its peer, its floor and its aim.

A ratio says how many times as long as ours the peer takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

HEAD = ("work", "graph", "ours s", "peer", "ratio", "floors", "MiB", "verdict")
FULL = "sbm 1"  # the graph that the aims are for: Reddit's size


class Aim(NamedTuple):
    """What a piece of work may take at Reddit's size: seconds, MiB beside the inputs."""

    at_most_s: float | None = None
    aim_s: float | None = None
    at_most_mib: float | None = None
    least_ratio: float | None = None


AIMS = {
    "sage epoch": Aim(at_most_s=0.5, aim_s=0.15, least_ratio=20),
    "gatv2 8x8 forward_backward": Aim(at_most_s=0.100, aim_s=0.050),
    "gat 1x256 forward_backward": Aim(at_most_s=0.250),
    "full gat 3 layers 1 head": Aim(at_most_mib=15.2e9 / 2**20),  # what DGL published
    "full gat 3 layers 2 heads": Aim(at_most_mib=24 * 1024),
}


def page(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of `cells`, in columns."""
    lines = [HEAD, *cells(rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    for line in lines:
        yield "  ".join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()


def cells(rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a line for each work and graph of which a side is ours, beside the peers.

    Works whose sides are all ours, under other names, have a line for each side.
    """
    latest = rows.sort_values("measured_at", kind="stable")
    latest = latest.drop_duplicates(["dataset", "work", "side"], keep="last")
    for (work, graph), sides in latest.groupby(["work", "dataset"], sort=False):
        ours = sides[sides.side.str.startswith("ours")]
        if len(ours):
            yield _line(str(work), str(graph), ours, sides.drop(ours.index))
        else:
            yield from (_side_line(side) for _, side in sides.iterrows())


def _side_line(side: pd.Series) -> tuple[str, ...]:
    is_reference = side.side == side.reference
    return (
        f"{side.work}: {side.side}",
        str(side.dataset),
        _number(side.median_s, ".4g"),
        "" if is_reference else str(side.reference),
        "" if is_reference or pd.isna(side.ratio) else _number(1 / side.ratio, ".2f"),
        "",
        _number(side.extra_mib, ",.0f"),
        " ".join(text for text in (_failure(side), _note(side)) if text),
    )


def _failure(row: pd.Series) -> str:
    return "" if row.status == "completed" else f"MISSED: {row.status}"


def _note(row: pd.Series) -> str:
    return "" if pd.isna(row.note) else str(row.note)


def _line(work: str, graph: str, ours: pd.DataFrame, peers: pd.DataFrame) -> tuple[str, ...]:
    best = ours.sort_values("median_s", na_position="last").iloc[0]
    timed = peers[peers.median_s.notna()].sort_values("median_s")
    peer = timed.iloc[0] if len(timed) else None
    ratio = None if peer is None else peer.median_s / best.median_s
    side = peer.side if peer is not None else ", ".join(sorted(set(peers.status))) or "none"
    floors = best.median_s / best.floor_s if pd.notna(best.floor_s) else None
    return (
        work,
        graph,
        _number(best.median_s, ".4g"),
        str(side),
        _number(ratio, ".1f"),
        _number(floors, ".1f"),
        _number(best.extra_mib, ",.0f"),
        verdict(AIMS.get(work), graph, best, ratio),
    )


def verdict(aim: Aim | None, graph: str, ours: pd.Series, ratio: float | None) -> str:
    """Say in a word or two whether the aim is met, on `FULL`, or what failed, on any graph."""
    if ours.status != "completed" or aim is None or graph != FULL:
        return _failure(ours)
    missed = []
    if aim.at_most_s is not None and ours.median_s > aim.at_most_s:
        missed.append(f"more than {aim.at_most_s:g} s")
    if aim.at_most_mib is not None and ours.extra_mib > aim.at_most_mib:
        missed.append(f"more than {aim.at_most_mib:,.0f} MiB")
    if aim.least_ratio is not None and (ratio is None or ratio < aim.least_ratio):
        missed.append(f"ratio below {aim.least_ratio:g}")
    if missed:
        return f"MISSED: {', '.join(missed)}"
    reached = aim.aim_s is not None and ours.median_s <= aim.aim_s
    return "aim reached" if reached else "met"


def _number(value: float | None, form: str) -> str:
    return "" if value is None or pd.isna(value) else f"{value:{form}}"
