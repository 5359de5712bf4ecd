"""The bytes that layers must move."""

from __future__ import annotations

from scripts.bench.cases import floors


def test_floors_are_the_bytes_that_edges_and_nodes_must_move() -> None:
    shape = floors.Shape(nodes=0, edges=1, in_channels=64, heads=8, channels=8)
    assert floors.gat_bytes(shape) == (4 + 32 + 256, 2 * (4 + 32 + 256) + 4 + 256 + 96)
    assert floors.gatv2_bytes(shape) == (4 + 256, 2 * (4 + 256) + 4 + 512 + 64)
    assert floors.aggregation_bytes(shape) == (4 + 256, 2 * (4 + 256))
    wide = replace_shape(shape, in_channels=602, heads=1, channels=41)
    assert floors.aggregation_bytes(wide).forward == 4 + 4 * 41  # projected before it is read
    node = replace_shape(shape, nodes=1, edges=0)
    assert floors.gat_bytes(node).forward == 8 + 256 + 3 * 256 + 32


def replace_shape(shape: floors.Shape, **values: int) -> floors.Shape:
    return shape._replace(**values)
