"""The page of communities: what it shows, how large it is, and what a person does with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from redditgnn.graph.data import Names
from redditgnn.maps.community_page import MOST_ROWS, community_files
from redditgnn.maps.quotient import MOST
from redditgnn.partition.adjacency import undirected
from redditgnn.partition.base import Candidate
from redditgnn.partition.blocks import blocks_of
from redditgnn.partition.results import Result
from redditgnn.partition.search import Communities, Start
from tests.partition.graphs import graph_of

FACTS = [("graph", "a <graph>"), ("modularity", "0.5")]
LARGEST = 0.6e6
CLASSES = tuple(f"class <{number}>" for number in range(80))


def result_of(matrix: np.ndarray, membership: np.ndarray, labels: Any, predicted: Any) -> Result:
    """Return a result with this membership, whose scores nobody reads."""
    graph = graph_of(matrix, labels)
    graph = replace(graph, num_classes=len(CLASSES), names=Names(classes=CLASSES))
    start = Start(
        candidate=Candidate(resolution=1.0, weighted=False),
        number=0,
        membership=membership.astype(np.int32),
        blocks=blocks_of(undirected(graph), membership.astype(np.uint32)),
        quality=0.0,
        modularity=0.0,
        description_length=0.0,
    )
    found = Communities(starts=[start], best=start, agreement=None)
    return Result.of(graph, {"name": "leiden"}, found, predicted, was_directed=False, cost={})


def three_communities() -> Result:
    """Four nodes of class 1, three of class 0, two without a label, joined in a row."""
    membership = np.array([0] * 4 + [1] * 3 + [2] * 2)
    matrix = (membership[:, None] == membership).astype(int) - np.eye(9, dtype=int)
    matrix[3, 4] = matrix[4, 3] = matrix[6, 7] = matrix[7, 6] = 1
    labels = np.array([1, 1, 1, 0, 0, 0, 0, -1, -1])
    return result_of(matrix, membership, labels, np.array([1, 1, 0, 0, 0, 0, 1, 0, 0]))


def many_communities() -> Result:
    """As many as a page shows and more, of any of many classes, each joined to any."""
    draw = np.random.default_rng(0)
    membership = np.sort(np.r_[np.arange(600), draw.integers(120, size=1000)])
    matrix = np.triu(draw.random((1600, 1600)) < 0.1, 1).astype(int)
    return result_of(matrix + matrix.T, membership, draw.integers(80, size=1600), None)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return dict(community_files(three_communities(), FACTS))


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_page_escapes_names_and_needs_no_network(files: dict[str, str]) -> None:
    page = files["communities.html"]
    assert "a &lt;graph&gt;" in page
    assert "class &lt;1&gt;" in page
    assert "<1>" not in page
    assert "//" not in re.sub(r"https?://www.w3.org/2000/svg|\n// [^\n]*", "", page)


def test_the_data_are_the_edges_between_communities(files: dict[str, str]) -> None:
    data = data_of(files["communities.html"])
    assert data["names"] == ["0 (class <1>)", "1 (class <0>)", "2"]
    assert data["edges"] == [[6, 1, 0], [1, 3, 1], [0, 1, 1]]
    assert sorted(data["order"]) == [0, 1, 2]
    assert data["order"][1] == 1


def test_a_run_adds_its_accuracy_as_a_colour_and_a_column(files: dict[str, str]) -> None:
    names = [colouring["name"] for colouring in data_of(files["communities.html"])["colourings"]]
    assert names == ["top label", "share of it", "conductance", "test accuracy"]
    assert '<button type="button">test accuracy</button>' in files["communities.html"]


def test_the_confusion_counts_nodes_of_each_label_with_those_without_one(files: dict) -> None:
    found = re.search(r'<table class="cells">.*?</table>', files["communities.html"], re.DOTALL)
    assert found
    rows = re.findall(r"<tr><th>(\d)</th>(.*?)</tr>", found[0])
    cells = [re.findall(r">(\d*)</td>", row) for _, row in rows]
    heads = re.findall(r"<th>(.*?)</th>", found[0].partition("</thead>")[0])[1:]
    assert heads == ["class &lt;1&gt;", "class &lt;0&gt;", "no label"]
    assert cells == [["3", "1", ""], ["", "3", ""], ["", "", "2"]]


@pytest.mark.parametrize("name", ["quotient.svg", "blocks.svg"])
def test_a_drawing_is_svg_and_the_same_again(name: str, files: dict[str, str]) -> None:
    root = ElementTree.fromstring(files[name])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert files[name] == dict(community_files(three_communities(), FACTS))[name]


def test_several_labels_a_node_leave_the_quotient_graph_and_the_blocks() -> None:
    result = replace(three_communities(), labelled=None)
    page = dict(community_files(result, FACTS))["communities.html"]
    assert "Nodes may have several labels" in page
    assert data_of(page)["names"] == ["0", "1", "2"]


def test_a_page_of_many_communities_and_labels_is_small_and_says_what_it_leaves_out() -> None:
    page = dict(community_files(many_communities(), FACTS))["communities.html"]
    assert len(page.encode()) < LARGEST
    assert f"The {MOST} largest of 600 communities are drawn" in page
    assert page.count("<tr>") > MOST_ROWS
    assert len(data_of(page)["ratio"]) == MOST


# ---- in a browser


@pytest.fixture
def page(browser: Any, files: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "communities.html"
    path.write_text(files["communities.html"], encoding="utf-8")
    browser.get_log("browser")
    browser.get(path.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def message(page: Any) -> str:
    return str(page.execute_script("return document.getElementById('message').textContent"))


@pytest.mark.browser
def test_the_arrows_go_through_communities_and_cells_and_are_described(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    quotient = page.find_element("id", "quotient-frame")
    quotient.send_keys(Keys.ARROW_RIGHT * 2)
    assert message(page).startswith("Community 1 (class <0>): nodes 3, edges inside 3")
    assert len(page.find_elements("css selector", "#quotient .tie.marked")) == 2
    page.find_element("id", "blocks-frame").send_keys(Keys.ARROW_RIGHT)
    assert message(page).startswith("1 edges between")


@pytest.mark.browser
def test_colours_and_the_order_of_rows_are_a_persons_choice(page: Any) -> None:
    first = "return document.querySelector('#communities tbody tr').cells[0].textContent"
    button = page.find_elements("css selector", "#communities thead button")[2]
    button.click()
    assert page.execute_script(first) == "0"
    button.click()
    assert page.execute_script(first) == "2"
    fill = "return document.querySelector('[data-node=\"2\"]').getAttribute('fill')"
    before = page.execute_script(fill)
    page.find_element("css selector", "#colour [value='conductance']").click()
    assert page.execute_script(fill) != before


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
