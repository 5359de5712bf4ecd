"""The bytes that a layer must move: over the bandwidth of a copy, the least time it can take.

Counted as if no row of a table stayed in a cache between two edges that read it: every edge reads
its source's row from memory. A graph whose tables fit a cache can be faster than that. Indices of
edges have 4 bytes, row pointers 8, numbers 4. `nodes` and `edges` are those that the layer sees,
with self-loops if it has them. Projections count with what they read and write once.
"""

from __future__ import annotations

from typing import NamedTuple

INDEX, POINTER, NUMBER = 4, 8, 4


class Shape(NamedTuple):
    """What a layer works on; `width` is heads x channels."""

    nodes: int
    edges: int
    in_channels: int
    heads: int
    channels: int

    @property
    def width(self) -> int:
        """Numbers in a row of the output."""
        return self.heads * self.channels


class Bytes(NamedTuple):
    """What must move."""

    forward: int
    forward_backward: int


def gat_bytes(shape: Shape) -> Bytes:
    """Bytes of a GAT layer.

    forward   an edge: col, score of the source (heads), its values (width);
              a node: pointer, h in, value out and in, own score, output
    backward  by rows, an edge: the same again; a node: pointer, gradient and output in, own score,
              normaliser, gradient of the own score;
              by columns, an edge: col, gradient of the output (width), score, normaliser and
              gradient-times-output of the destination (3 x heads); a node: pointer, value and
              score in, gradients of value and score out; then the projection's: gradient in, h in
              and out.
    """
    width, heads, h = shape.width * NUMBER, shape.heads * NUMBER, shape.in_channels * NUMBER
    by_rows = INDEX + heads + width
    forward = shape.edges * by_rows + shape.nodes * (POINTER + h + 3 * width + heads)
    by_columns = INDEX + width + 3 * heads
    of_nodes = 2 * POINTER + (2 * width + 3 * heads) + (2 * width + 2 * heads) + width + 2 * h
    return Bytes(forward, forward + shape.edges * (by_rows + by_columns) + shape.nodes * of_nodes)


def gatv2_bytes(shape: Shape) -> Bytes:
    """Bytes of a GATv2 layer, whose scores are made from the values of both ends.

    forward   an edge: col, values of the source (width);
              a node: pointer, h in, value and query out, query in, output
    backward  by rows, an edge: the same again; a node: pointer, query, gradient and output in,
              normaliser, gradient of the query out;
              by columns, an edge: col, query and gradient of the destination (2 x width),
              normaliser and gradient-times-output (2 x heads); a node: pointer, value in, its
              gradient out; then the projections': two gradients in, h in and out.
    """
    width, heads, h = shape.width * NUMBER, shape.heads * NUMBER, shape.in_channels * NUMBER
    by_rows = INDEX + width
    forward = shape.edges * by_rows + shape.nodes * (POINTER + h + 4 * width)
    by_columns = INDEX + 2 * width + 2 * heads
    of_nodes = 2 * POINTER + (4 * width + heads) + 2 * width + 2 * width + 2 * h
    return Bytes(forward, forward + shape.edges * (by_rows + by_columns) + shape.nodes * of_nodes)


def aggregation_bytes(shape: Shape) -> Bytes:
    """Bytes of a mean (SAGE) or normalised sum (GCN) with one projection.

    The rows that edges read are those before or after the projection, whichever are narrower; the
    normalisation is a factor of nodes. An edge: col and one row. A node: pointer, degree, h in,
    what is aggregated out, output. Backward the same over the transpose.
    """
    row = min(shape.in_channels, shape.width) * NUMBER
    ends = (shape.in_channels + shape.width) * NUMBER
    forward = shape.edges * (INDEX + row) + shape.nodes * (POINTER + NUMBER + ends + row)
    return Bytes(forward, 2 * forward)


def pna_bytes(shape: Shape) -> Bytes:
    """Bytes of a PNA layer of one tower with four aggregators, whose messages are rows like h.

    forward   an edge: col, one row;
              a node: pointer, degree, h in, messages and what they share out and in, four
              statistics out and in, output
    backward  by rows, a node: gradients of four statistics in, whose two of them were;
              by columns, an edge: col, gradients of two sums (2 rows); a node: pointer, its
              message in, gradients of that, of what is shared and of h.
    """
    row, width = shape.in_channels * NUMBER, shape.width * NUMBER
    forward = shape.edges * (INDEX + row)
    forward += shape.nodes * (POINTER + NUMBER + row + 4 * row + 8 * row + width)
    backward = shape.edges * (INDEX + 2 * row)
    backward += shape.nodes * (POINTER + width + 6 * row + 4 * row)
    return Bytes(forward, forward + backward)
