"""The page in headless Chromium: sorting, filtering, hovering, both colour schemes, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

TABLE = "#table-toy"
TIME_PLOT = "#plot-toy-time"
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
FILL = "return getComputedStyle(document.querySelector(arguments[0])).fill"


@pytest.fixture
def page(browser: Any, sweep: Path) -> Any:
    """A report of five configurations, opened from the disk."""
    scheme(browser, "light")
    size(browser, 1280)
    browser.get((sweep / "report" / "index.html").as_uri())
    wait_for(browser, ".dt-info")  # the last that DataTables draws
    wait_for(browser, f"{TIME_PLOT} .points path")
    return browser


def wait_for(browser: Any, css: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    waiting = WebDriverWait(browser, 30)
    waiting.until(lambda _: browser.find_elements("css selector", css), f"no {css}")


def scheme(browser: Any, name: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": name}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def size(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def head(page: Any, title: str) -> Any:
    heads = page.find_elements("css selector", f"{TABLE} thead th")
    return next(found for found in heads if found.text.strip() == title)


def texts(page: Any, css: str) -> list[str]:
    return [found.text for found in page.find_elements("css selector", css)]


def point_at(page: Any, element: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ActionChains(page).move_to_element(element).perform()


def test_a_click_on_a_head_sorts_numbers_as_numbers(page):
    cells = f"{TABLE} tbody td:nth-child(5)"
    head(page, "heads").click()
    wait_for(page, f"{TABLE} th[aria-sort=ascending]")
    assert texts(page, cells) == ["1", "2", "2", "10", "10"]
    head(page, "heads").click()
    wait_for(page, f"{TABLE} th[aria-sort=descending]")
    assert texts(page, cells) == ["10", "10", "2", "2", "1"]


def test_a_search_leaves_the_rows_that_match(page):
    box = page.find_element("css selector", "input[type=search]")
    box.send_keys("gcn")
    rows = page.find_elements("css selector", f"{TABLE} tbody tr")
    assert ["gcn_50%" in row.text for row in rows] == [True]
    assert "Showing 1 to 1 of 1" in page.find_element("css selector", ".dt-info").text


def test_a_column_is_filtered_by_its_magnifier(page):
    head(page, "heads").find_element("css selector", ".dtcc-button").click()
    wait_for(page, ".dtcc-dropdown input")
    page.find_element("css selector", ".dtcc-dropdown input").send_keys("10")
    assert len(page.find_elements("css selector", f"{TABLE} tbody tr")) == 2


def test_a_point_tells_its_configuration_when_hovered(page):
    point_at(page, page.find_element("css selector", f"{TIME_PLOT} .points path"))
    wait_for(page, f"{TIME_PLOT} .hovertext text")
    text = page.find_element("css selector", f"{TIME_PLOT} .hovertext text").text
    assert "gat, full" in text
    assert "heads=" in text
    assert "s/epoch" in text


@pytest.mark.parametrize(("name", "is_dark"), [("light", False), ("dark", True)])
def test_colours_follow_the_colour_scheme_even_while_the_page_is_open(page, name, is_dark):
    scheme(page, name)
    wait_for(page, "html.dark" if is_dark else "html:not(.dark)")
    ground = brightness(page.execute_script(BACKGROUND))
    text = brightness(page.execute_script(FILL, f"{TIME_PLOT} .xtitle"))
    table = brightness(
        page.find_element("css selector", f"{TABLE} td").value_of_css_property("color")
    )
    assert (ground < 60) == is_dark
    assert abs(text - ground) > 150
    assert abs(table - ground) > 150


def brightness(colour: str) -> float:
    numbers = colour[colour.index("(") + 1 : -1].split(",")[:3]
    return sum(map(float, numbers)) / 3


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_window(page, width):
    size(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_every_plot_is_as_wide_as_its_frame(page):
    widths = "return [...document.querySelectorAll('.plot')].map(e => e.%s)"
    shown, drawn = (page.execute_script(widths % of) for of in ("clientWidth", "scrollWidth"))
    assert shown == drawn


def test_every_table_has_a_caption_and_every_plot_a_sentence(page):
    count = "return document.querySelectorAll(arguments[0]).length"
    assert page.execute_script(count, ".table caption") == page.execute_script(count, "section")
    captions = page.find_elements("css selector", "figure figcaption")
    assert len(captions) == page.execute_script(count, ".js-plotly-plot")
    assert all(caption.text.count(".") for caption in captions)


def test_nothing_is_fetched_and_the_console_is_empty(page):
    fetched = page.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert [name for name in fetched if name.startswith("http")] == []
    assert [entry["message"] for entry in page.get_log("browser")] == []


def test_no_button_sends_the_chart_to_a_cloud(page):
    titles = "return [...document.querySelectorAll('.modebar-btn')].map(e => e.dataset.title)"
    assert not any("hare" in title for title in page.execute_script(titles))
