"""Time the page of a map in headless Chromium: a redraw, and the answer under the mouse.

usage: python -m scripts.bench.map_frames [--nodes N] [--frames N] [--width PIXELS]

Nodes are at random places, in 41 groups. Each call is in an animation frame of its own, as when a
person drags. A redraw is the page's own `draw`, at another zoom each time, and then a pixel is read
back, so that the drawing has to be done. The answer under the mouse is its `nearest` and `tell`.
Nothing is drawn on a GPU. It exits with 1 if a median is above its bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from redditgnn.maps.columns import Category
from redditgnn.maps.page import Map, write_page

BOUNDS_MS = {"redraw": 16.0, "hover": 30.0}
TIMED = """
const [count, call] = [arguments[0], new Function("i", arguments[1])], done = arguments[2];
const times = [], fit = view.side;
window.fit = fit;
function frame(i) {
  if (i === count) { view.side = fit; done(times); return; }
  const start = performance.now();
  call(i);
  times.push(performance.now() - start);
  requestAnimationFrame(() => frame(i + 1));
}
requestAnimationFrame(() => frame(0));
"""
CALLS = {
    "redraw": "view.side = fit * (1 + (i % 20) / 10); draw(); pen.getImageData(0, 0, 1, 1);",
    "hover": "const x = canvas.width * ((i * 0.37) % 1), y = canvas.height * ((i * 0.61) % 1);"
    "tell(nearest(x, y), x, y);",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return whether both bounds hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=232_965, help="Reddit's number (%(default)s)")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--width", type=int, default=1280)
    options = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        page = Path(folder, "map.html")
        page.write_text(write_page(random_map(options.nodes)), encoding="utf-8")
        print(f"{options.nodes:,} nodes, {page.stat().st_size / 1e6:.2f} MB")
        times = time_page(page.as_uri(), options.frames, options.width)
    for name, milliseconds in times.items():
        low, high = np.quantile(milliseconds, [0.2, 0.8])
        median = statistics.median(milliseconds)
        print(
            f"{name:7} {median:5.1f} ms [{low:.1f}, {high:.1f}] n={len(milliseconds)}, "
            f"at most {BOUNDS_MS[name]:g}"
        )
    return int(any(statistics.median(t) > BOUNDS_MS[name] for name, t in times.items()))


def random_map(count: int) -> Map:
    """Return a map of random places and groups."""
    draw = np.random.default_rng(0)
    groups = Category("label", draw.integers(41, size=count), tuple(map(str, range(41))))
    return Map(
        title="random places",
        sentence="Random places.",
        positions=draw.normal(size=(count, 2)).astype(np.float32),
        nodes=None,
        columns=[groups],
        colour="label",
    )


def time_page(address: str, frames: int, width: int) -> dict[str, list[float]]:
    """Open a page, and return the milliseconds of each redraw and of each answer."""
    browser = start_browser(width)
    try:
        browser.get(address)
        from selenium.webdriver.support.wait import WebDriverWait

        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(browser, 60).until(lambda page: page.execute_script(ready))
        version = browser.capabilities["browserVersion"]
        size = browser.execute_script("return `${canvas.width} x ${canvas.height}`")
        print(f"Chromium {version}, headless, no GPU; canvas {size}")
        browser.set_script_timeout(120)
        return {n: browser.execute_async_script(TIMED, frames, call) for n, call in CALLS.items()}
    finally:
        browser.quit()


def start_browser(width: int) -> Any:
    """Start headless Chromium without a GPU."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = which("chromium") or which("google-chrome") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},1000")
    driver = which("chromedriver")
    return webdriver.Chrome(options=options, service=Service(driver) if driver else Service())


if __name__ == "__main__":
    sys.exit(main())
