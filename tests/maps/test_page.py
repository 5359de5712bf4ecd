"""The page of a map holds positions and columns, and asks for nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np
import pytest

from redditgnn.maps.columns import Category, Number
from redditgnn.maps.page import Map, grid, write_page

FOUR = np.array([[0, 0], [2, 0], [2, 1], [0, 1]], np.float32)


def content(**changes: object) -> Map:
    columns = [
        Category("label", np.array([0, 1, 1, 0]), ("a </script>", "b")),
        Number("degree", np.array([1.0, 3.0, np.nan, 2.0])),
    ]
    facts = {"title": "four <nodes>", "sentence": "Four nodes.", "positions": FOUR, "nodes": None}
    return Map(**{**facts, "columns": columns, "colour": "label", **changes})  # type: ignore[arg-type]


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def unpacked(array: dict) -> np.ndarray | bytes:
    raw = gzip.decompress(base64.b64decode(array["data"]))
    return raw if array["kind"] == "text" else np.frombuffer(raw, array["kind"])


def test_positions_keep_their_shape_and_the_second_axis_goes_up() -> None:
    x, y = grid(FOUR)
    assert x.tolist() == [0, 65535, 65535, 0]
    assert y.tolist() == pytest.approx([49151, 49151, 16384, 16384], abs=1)


def test_positions_are_those_of_the_layout_to_a_step() -> None:
    positions = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    data = data_of(write_page(content(positions=positions, columns=[], colour="")))
    side = float((positions.max(0) - positions.min(0)).max())
    middle = (positions.max(0) + positions.min(0)) / 2
    x, y = unpacked(data["x"]) / 65535, 1 - unpacked(data["y"]) / 65535
    back = (np.stack([x, y], 1) - 0.5) * side + middle
    assert np.abs(back - positions).max() < side / 65535


def test_nodes_that_are_all_in_one_place_are_in_the_middle() -> None:
    assert set(grid(np.ones((3, 2), np.float32)).ravel().tolist()) == {32768}


def test_columns_are_codes_with_their_names_and_numbers_steps_between_their_ends() -> None:
    label, degree = data_of(write_page(content()))["columns"]
    assert label["names"] == ["a </script>", "b"]
    assert unpacked(label["codes"]).tolist() == [0, 1, 1, 0]
    assert (degree["low"], degree["high"]) == (1, 3)
    assert unpacked(degree["codes"]).tolist() == [0, 65534, 65535, 32767]


def test_ids_of_nodes_are_those_of_the_graph() -> None:
    nodes = ["x", "y,z", "<b>", "ö"]
    assert (
        unpacked(data_of(write_page(content(nodes=nodes)))["nodes"]).decode().split("\n") == nodes
    )


def test_more_categories_than_a_code_has_bits_share_the_last_name() -> None:
    many = Category("community", np.arange(70_000), tuple(map(str, range(70_000))))
    positions = np.random.default_rng(0).normal(size=(70_000, 2)).astype(np.float32)
    page = write_page(content(positions=positions, columns=[many], colour="community"))
    (column,) = data_of(page)["columns"]
    assert column["names"][-2:] == ["65534", "others"]
    assert unpacked(column["codes"])[-1] == unpacked(column["codes"])[65_535] == 65_535


def test_the_page_needs_no_network_and_the_same_map_gives_the_same_bytes() -> None:
    page = write_page(content())
    assert "http" not in page
    assert "four &lt;nodes&gt;" in page
    assert page == write_page(content())


def test_a_map_of_reddits_size_has_at_most_two_and_a_half_megabytes() -> None:
    draw, count = np.random.default_rng(0), 232_965
    columns = [
        Category("label", draw.integers(41, size=count), tuple(map(str, range(41)))),
        Category("split", draw.integers(3, size=count), ("train", "val", "test")),
        Category("prediction", draw.integers(41, size=count), tuple(map(str, range(41)))),
    ]
    positions = draw.normal(size=(count, 2)).astype(np.float32)
    assert len(write_page(content(positions=positions, columns=columns))) < 2.5e6
