"""The page of a diagnosis in headless Chromium: it fits, and follows the colour scheme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from redditgnn.prediction.page import write_tables

pytestmark = pytest.mark.browser
NUM_CLASSES = 41


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose confusion matrix has as many classes as Reddit."""
    classes = [f"a class with a name {number}" for number in range(NUM_CLASSES)]
    confusion = pd.DataFrame(12_345, index=range(NUM_CLASSES), columns=classes)
    confusion.insert(0, "true class", classes)
    folder = tmp_path_factory.mktemp("diagnosis")
    write_tables({"confusion": confusion}, "gat beside <sage>", "A finding.", folder)
    return folder / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_confusion_of_41_classes_is_no_wider_than_the_window(
    browser: Any, path: Path, width: int
) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wide = "const box = document.querySelector('.wide'); return box.scrollWidth > box.clientWidth"
    assert browser.execute_script(wide)  # its own box has the rest


def test_the_page_follows_the_colour_scheme(browser: Any, path: Path) -> None:
    browser.get(path.as_uri())
    grounds = []
    for name in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": name}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        script = "return getComputedStyle(document.body).backgroundColor"
        grounds.append(browser.execute_script(script))
    assert grounds == ["rgb(255, 255, 255)", "rgb(22, 24, 28)"]
