"""The map of a graph, or of what a run makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import short_hash
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.maps.columns import Category, Column, community_column, file_columns, graph_columns
from redditgnn.maps.layout import positions
from redditgnn.maps.page import Map, write_page
from redditgnn.maps.picture import write_pictures
from redditgnn.maps.settings import MapSettings
from redditgnn.runtime.files import result_folder

Table = Float[Tensor, "nodes columns"] | SparseFeatures


def draw_map(
    graph: GraphData,
    table: Table,
    settings: MapSettings,
    answers: Sequence[Column] = (),
) -> Map:
    """Lay out the rows of `table`, and gather what the nodes can be coloured by.

    `answers` are the columns that a run adds.

    Raises:
        ConfigError: there is no column `map.colour`, or the layout is not installed.
        DataError: a file with further columns cannot be read.
    """
    columns = [*graph_columns(graph), *answers, *_further_columns(graph, settings)]
    colour = _colour(columns, settings.colour)
    layout, found = positions(table, settings.layout, settings.seed)
    return Map(
        title=f"{graph.name}: {settings.of.replace(':', ' ')}, {layout}",
        sentence=(
            f"A map of {graph.num_nodes:,} nodes of {graph.name}, placed by {layout} of "
            f"{table.shape[1]:,} columns ({settings.of.replace(':', ' ')}): nodes that are alike "
            "are near each other."
        ),
        positions=found,
        nodes=None if graph.names.nodes is None else [str(node) for node in graph.names.nodes],
        columns=columns,
        colour=colour,
    )


def _further_columns(graph: GraphData, settings: MapSettings) -> list[Column]:
    columns: list[Column] = []
    if settings.communities is not None:
        columns.append(community_column(Path(settings.communities), graph.num_nodes))
    if settings.columns is not None:
        nodes = range(graph.num_nodes) if graph.names.nodes is None else graph.names.nodes
        columns += file_columns(Path(settings.columns), [str(node) for node in nodes])
    return columns


def _colour(columns: Sequence[Column], colour: str | None) -> str:
    names = [column.name for column in columns]
    if colour is None:
        return names[0]
    if colour not in names:
        raise ConfigError(f"map.colour must be one of {', '.join(names)}, got {colour}")
    return colour


def write_map(content: Map, settings: MapSettings, graph: GraphData, results_dir: Path) -> Path:
    """Write the folder `results_dir/maps/NAME` whole, and return its path.

    It holds map.html, map.png and map.svg, and map.npy: a position for each node.

    Raises:
        DataError: it cannot be written.
    """
    hashed = short_hash(str(graph.fingerprint), repr(settings))
    with result_folder(results_dir / "maps", f"{graph.name}-{hashed}") as (temporary, folder):
        (temporary / "map.html").write_text(write_page(content), encoding="utf-8")
        np.save(temporary / "map.npy", content.positions)
        write_pictures(content, temporary)
    return folder


def describe_map(content: Map) -> str:
    """Return a line on the map, and one on its columns."""
    kinds = [
        f"{column.name} ({len(column.names):,})" if isinstance(column, Category) else column.name
        for column in content.columns
    ]
    return f"{content.title}: {len(content.positions):,} nodes\ncolours: {', '.join(kinds)}"
