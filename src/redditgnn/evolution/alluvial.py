"""The alluvial diagram: a column a snapshot, a block a community, and bands of nodes between them.

A community has one colour and one place in the order of all communities, so that the bands of
communities that continue do not cross.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from redditgnn.evolution.matching import ABSENT

WIDTH, HEIGHT, WIDEST_BLOCK = 1000.0, 420.0, 14.0
MOST_COMMUNITIES = 24  # with a colour of their own
OTHERS = ABSENT  # stands for all communities beyond them
SPACE = 90.0  # between all blocks of a column together, at most
LARGEST_GAP = 8.0


class Block(NamedTuple):
    """A community in a snapshot. Snapshots are numbered from 1."""

    snapshot: int
    community: int
    nodes: int
    x: float
    y: float
    height: float


class Band(NamedTuple):
    """Nodes that go from a community to another, and the outline of their way."""

    source: Block
    target: Block
    nodes: int
    path: str


class Alluvial(NamedTuple):
    """The diagram, in a box of `WIDTH` and `HEIGHT`. `communities` are those with a colour."""

    block_width: float
    communities: Sequence[int]
    blocks: Sequence[Block]
    bands: Sequence[Band]


def lay_out(communities: pd.DataFrame, flows: pd.DataFrame, num_snapshots: int) -> Alluvial:
    """Place blocks and bands, from the tables of an `Evolution`."""
    largest = communities.groupby("community").nodes.sum().nlargest(MOST_COMMUNITIES)
    coloured = set(largest.index.tolist())
    width = min(WIDEST_BLOCK, WIDTH / (3 * num_snapshots))
    step = (WIDTH - width) / max(1, num_snapshots - 1)
    order = _order(communities, flows, coloured)
    rank = {community: place for place, community in enumerate([*order, OTHERS])}
    blocks = list(_blocks(_merged(communities, coloured, ["community"]), rank, step))
    bands = list[Band]()
    if not flows.empty:
        ways = _merged(flows, coloured, ["community", "next_community"])
        bands += _bands(ways, blocks, rank, width)
    return Alluvial(width, order, blocks, bands)


def _order(communities: pd.DataFrame, flows: pd.DataFrame, coloured: set[int]) -> list[int]:
    """Put each community after the one that most of its first nodes come from."""
    order = list[int]()
    first = communities[communities.community.isin(coloured)].drop_duplicates("community")
    for row in first.itertuples():
        place = len(order)
        if len(flows):
            ways = flows[(flows.snapshot == row.snapshot) & (flows.next_community == row.community)]
            source = ways.sort_values("nodes", ascending=False).community.head(1).tolist()
            place = order.index(source[0]) + 1 if source and source[0] in order else place
        order.insert(place, row.community)
    return order


def _merged(table: pd.DataFrame, coloured: set[int], columns: list[str]) -> pd.DataFrame:
    """Add up the rows of all communities that have no colour."""
    table = table.copy()
    for column in columns:
        table[column] = table[column].where(table[column].isin(coloured), OTHERS)
    keys = [name for name in ("since", "snapshot", *columns) if name in table]
    return table.groupby(keys, as_index=False).nodes.sum()


def _blocks(table: pd.DataFrame, rank: dict[int, int], step: float) -> Iterator[Block]:
    columns = table.groupby("snapshot")
    gaps = max(1, int(columns.size().max()) - 1)
    gap = min(LARGEST_GAP, SPACE / gaps)
    scale = (HEIGHT - gap * gaps) / columns.nodes.sum().max()
    for snapshot, column in columns:
        y, number = 0.0, int(str(snapshot))
        for _, community, nodes in sorted(
            (rank[row.community], row.community, row.nodes) for row in column.itertuples()
        ):
            height = nodes * scale
            yield Block(number, community, nodes, (number - 1) * step, y, height)
            y += height + gap


def _bands(
    ways: pd.DataFrame, blocks: Sequence[Block], rank: dict[int, int], width: float
) -> Iterator[Band]:
    """Stack the bands at either end in the order of the communities at the other end."""
    at = {(block.snapshot, block.community): block for block in blocks}
    used_of_source, used_of_target = dict.fromkeys(at, 0.0), dict.fromkeys(at, 0.0)
    rows = [
        (rank[row.community], rank[row.next_community], row) for row in ways.itertuples(index=False)
    ]
    for _, _, row in sorted(rows, key=lambda entry: (entry[2].snapshot, *entry[:2])):
        first, second = (row.since, row.community), (row.snapshot, row.next_community)
        source, target = at[first], at[second]
        thickness = row.nodes * source.height / source.nodes
        path = _path(
            source.x + width,
            source.y + used_of_source[first],
            target.x,
            target.y + used_of_target[second],
            thickness,
        )
        used_of_source[first] += thickness
        used_of_target[second] += thickness
        yield Band(source, target, row.nodes, path)


def _path(x0: float, y0: float, x1: float, y1: float, thickness: float) -> str:
    middle = (x0 + x1) / 2
    return (
        f"M{x0:.1f} {y0:.2f}C{middle:.1f} {y0:.2f} {middle:.1f} {y1:.2f} {x1:.1f} {y1:.2f}"
        f"v{thickness:.2f}C{middle:.1f} {y1 + thickness:.2f} {middle:.1f} {y0 + thickness:.2f} "
        f"{x0:.1f} {y0 + thickness:.2f}z"
    )
