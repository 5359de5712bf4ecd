"""The page of an evolution in headless Chromium: mouse, keys, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from redditgnn.evolution.evolution import evolve
from redditgnn.evolution.results import Result
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.graph.timeline import Window
from tests.evolution.graphs import graph_of, planted
from tests.maps.test_browser import scheme, text, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three snapshots: a community of eight splits, one of six stays."""
    halves = [range(4), range(4, 8), range(8, 14)]
    pairs, times = planted([[range(8), range(8, 14)], halves, halves])
    graph = graph_of(pairs, 14, edge_time=times)
    settings = EvolveSettings(
        windows=3, mode="snapshots", task="communities", resolution=1.0, threshold=0.5, seed=0
    )
    windows = [Window(0, 1), Window(1, 2), Window(2, 3)]
    evolution = evolve(graph, windows, settings)
    result = Result(
        graph=graph,
        settings=settings,
        windows=windows,
        evolution=evolution,
        ages=pd.DataFrame(),
        cpu_s=0.0,
    )
    return result.write(tmp_path_factory.mktemp("evolution")) / "evolution.html"


@pytest.fixture
def page(browser: Any, path: Path) -> Any:
    scheme(browser, "light")
    resize(browser, 1280)
    browser.get(path.as_uri())
    wait_for(browser, "html[data-ready]")
    yield browser
    logged = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
    assert logged == []


def resize(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_a_block_says_what_it_is_where_the_mouse_is(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    block = page.find_element("css selector", '.block[data-snapshot="2"][data-ids="0"]')
    ActionChains(page).move_to_element(block).perform()
    lines = text(page, "#tip").splitlines()
    assert lines == ["community 0, snapshot 2", "4 nodes", "mostly 0 (100%)"]


def test_arrows_move_the_focus_along_a_community_and_through_a_column(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.find_element("css selector", '.block[tabindex="0"]').send_keys(Keys.ARROW_RIGHT)
    assert text(page, "#tip").startswith("community 0, snapshot 2")
    page.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    focused = page.switch_to.active_element
    assert text(page, "#tip").startswith("community 2, snapshot 2")
    assert focused.get_attribute("aria-label").startswith("community 2, snapshot 2, 4 nodes")
    focused.send_keys(Keys.ARROW_LEFT)
    assert text(page, "#tip").startswith("community 0, snapshot 1")
    assert len(page.find_elements("css selector", '.block[tabindex="0"]')) == 1


def test_the_legend_leaves_the_communities_that_are_pressed(page: Any) -> None:
    def clear() -> set[str]:
        shapes = page.find_elements("css selector", ".block:not(.faded)")
        return {shape.get_attribute("data-ids") for shape in shapes}

    assert clear() == {"0", "1", "2"}
    button = page.find_element("css selector", '.legend [data-ids="1"]')
    button.click()
    assert clear() == {"1"}
    button.click()
    assert clear() == {"0", "1", "2"}


def test_tables_say_what_the_diagram_shows(page: Any) -> None:
    rows = [
        row.text
        for row in page.find_elements("css selector", "table")[0].find_elements(
            "css selector", "tbody tr"
        )
    ]
    assert rows == ["0: 0 8 4 4", "2: 0 4 4", "1: 0 6 6 6"]
    assert "tables below" in page.find_element("id", "alluvial").get_attribute("aria-label")


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_ground_follows_the_colour_scheme(page: Any, name: str) -> None:
    scheme(page, name)
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[name]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_window(page: Any, width: int) -> None:
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
