"""The picture of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from redditgnn.maps.columns import Category, Number
from redditgnn.maps.page import Map
from redditgnn.maps.picture import colours_of, raster, write_pictures

CORNERS = np.array([[0, 65535, 65535, 65535], [0, 0, 65535, 65535]], np.uint16)


def test_a_pixel_has_the_mean_colour_of_its_nodes_and_is_clear_without_any() -> None:
    colours = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]])
    image = raster(CORNERS, colours)
    assert image.shape == (8, 8, 4)
    assert image[0, 0, :3].tolist() == [255, 0, 0]
    assert image[-1, -1].tolist() == [128, 0, 255, 255]
    assert 0 < image[0, 0, 3] < 255
    assert (image[..., 3] > 0).sum() == 3


def test_a_node_without_a_number_is_grey_and_all_alike_have_one_colour() -> None:
    colours = colours_of(Number("n", np.array([2.0, 2.0, np.nan])))
    assert (colours[0] == colours[1]).all()
    assert colours[2].tolist() == [0.55, 0.55, 0.55]


def test_the_same_map_gives_the_same_files(tmp_path: Path) -> None:
    content = Map(
        title="three",
        sentence="Three nodes.",
        positions=np.array([[0, 0], [1, 0], [1, 1]], np.float32),
        nodes=None,
        columns=[Category("label", np.array([0, 1, 0]), ("a", "b"))],
        colour="label",
    )
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        write_pictures(content, folder)
    for name in ("map.png", "map.svg"):
        one, two = ((folder / name).read_bytes() for folder in folders)
        assert len(one) > 1000
        assert one == two
