"""A map in headless Chromium: what a person does with mouse and keys, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redditgnn.maps.columns import Category, Number
from redditgnn.maps.page import Map, write_page

pytestmark = pytest.mark.browser
COLOURS = """
return [...new Set(pixels)].map((p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255].join(" "));
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine nodes on a grid, in three groups, one of them with a number of its own."""
    positions = np.array([[x, y] for y in range(3) for x in range(3)], np.float32)
    content = Map(
        title="nine nodes",
        sentence="Nine nodes on a grid.",
        positions=positions,
        nodes=[f"n{number}" for number in range(9)],
        columns=[
            Category("label", np.arange(9) // 3, ("low", "middle", "high")),
            Number("degree", np.array([*range(8), np.nan])),
        ],
        colour="label",
    )
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(write_page(content), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, path: Path) -> Any:
    scheme(browser, "light")
    browser.get(path.as_uri())
    wait_for(browser, "html[data-ready]")
    yield browser
    logged = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
    assert logged == []


def scheme(browser: Any, name: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": name}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait_for(browser: Any, css: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 30).until(lambda _: browser.find_elements("css selector", css))


def text(page: Any, css: str) -> str:
    return page.find_element("css selector", css).text


def move_to(page: Any, node: int, right: int = 0, down: int = 0) -> None:
    """Move the mouse over a node, or so many pixels beside it."""
    from selenium.webdriver.common.action_chains import ActionChains

    script = "const [x, y] = toPixel(X[arguments[0]], Y[arguments[0]]), d = devicePixelRatio;"
    script += "return [(x - canvas.width / 2) / d, (y - canvas.height / 2) / d].map(Math.round);"
    x, y = page.execute_script(script, node)
    canvas = page.find_element("id", "map")
    ActionChains(page).move_to_element_with_offset(canvas, x + right, y + down).perform()


def press(page: Any, action: str) -> None:
    """Press the mouse button, or let go of it, where the mouse is."""
    from selenium.webdriver.common.action_chains import ActionChains

    getattr(ActionChains(page), action)().perform()


def rows(page: Any) -> list[str]:
    return [row.text for row in page.find_elements("css selector", "#counts tbody tr")]


def test_every_group_has_a_colour_on_the_ground(page: Any) -> None:
    assert len(page.execute_script(COLOURS)) == 4
    entries = page.find_elements("css selector", "#legend button")
    assert [entry.text.split() for entry in entries] == [
        ["low", "3"],
        ["middle", "3"],
        ["high", "3"],
    ]


def test_a_node_says_what_it_is_where_the_mouse_is(page: Any) -> None:
    move_to(page, 4)
    assert text(page, "#tip").splitlines() == ["node n4", "label: middle", "degree: 4"]
    move_to(page, 8)
    assert "degree: none" in text(page, "#tip")


def test_a_click_in_the_legend_leaves_one_group_and_the_next_adds_one(page: Any) -> None:
    for expected in (2, 3):
        page.find_elements("css selector", "#legend button")[expected - 2].click()
        page.execute_script("draw()")
        assert len(page.execute_script(COLOURS)) == expected
    move_to(page, 8)
    assert not page.find_element("id", "tip").is_displayed()


def test_a_number_is_a_scale(page: Any) -> None:
    page.execute_script(
        "const c = element('colour'); c.value = 'degree';"
        "c.dispatchEvent(new Event('change')); draw()"
    )
    assert text(page, "#ends").split() == ["0", "7"]
    assert len(page.execute_script(COLOURS)) == 10  # eight numbers, none, and the ground


def test_a_node_is_found_by_its_id(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    search = page.find_element("id", "search")
    search.send_keys("n7", Keys.ENTER)
    assert text(page, "#tip").startswith("node n7")
    search.clear()
    search.send_keys("n77", Keys.ENTER)
    assert text(page, "#message") == "no node n77"


def test_keys_move_and_zoom_and_a_zero_shows_all(page: Any) -> None:
    before = page.execute_script("return {...view}")
    canvas = page.find_element("id", "map")
    canvas.send_keys("+")
    assert page.execute_script("return view.side") == pytest.approx(1.25 * before["side"])
    from selenium.webdriver.common.keys import Keys

    canvas.send_keys(Keys.ARROW_LEFT)
    assert page.execute_script("return view.x") < before["x"]
    canvas.send_keys("0")
    assert page.execute_script("return {...view}") == before


def test_a_box_counts_what_is_in_it(page: Any) -> None:
    page.execute_script("zoom(0.7); draw()")
    page.find_element("id", "box").click()
    move_to(page, 0, -15, 15)
    press(page, "click_and_hold")
    move_to(page, 4, 15, -15)
    press(page, "release")
    assert text(page, "#counted") == "4 nodes in the box"
    assert rows(page) == ["low 2", "middle 2"]


def test_the_table_says_what_the_window_shows(page: Any) -> None:
    page.find_element("css selector", "#counts summary").click()
    assert text(page, "#counted") == "9 nodes in the window"
    assert rows(page) == ["low 3", "middle 3", "high 3"]
    assert page.find_element("id", "map").get_attribute("aria-label") == "Nine nodes on a grid."


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_ground_follows_the_colour_scheme(page: Any, name: str) -> None:
    scheme(page, name)
    page.execute_script("draw()")
    ground = {"light": "255 255 255", "dark": "22 24 28"}[name]
    assert ground in page.execute_script(COLOURS)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_window(page: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
