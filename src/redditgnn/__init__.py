"""Experiment runner for node classification on graphs from PubMed to Reddit.

    import redditgnn

    run = redditgnn.train(["dataset=cora", "model=gat", "sampler=full"])
    run.predict()                             # the class of every node
    redditgnn.train_sweep(["dataset=cora", "sampler=full", "model=gat,gcn", "seed=0,1,2"])
    redditgnn.load_results("results")         # runs.csv as a pandas DataFrame
    redditgnn.load_run("20261127-184501-0f3a9c-s0-1b2c")

Names are imported when they are first used: `import redditgnn` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redditgnn.config.compose import compose_settings as compose
    from redditgnn.config.settings import Settings
    from redditgnn.record.reading import load_results
    from redditgnn.run.saved import Run, load_run, train
    from redditgnn.sweep.table import train_sweep

__version__ = "0.1.0"

_PACKAGED = Path(__file__).parent / "conf"  # in an installed wheel
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf"

_PLACES = {  # name -> where it is defined
    "Run": "redditgnn.run.saved:Run",
    "Settings": "redditgnn.config.settings:Settings",
    "compose": "redditgnn.config.compose:compose_settings",
    "load_results": "redditgnn.record.reading:load_results",
    "load_run": "redditgnn.run.saved:load_run",
    "train": "redditgnn.run.saved:train",
    "train_sweep": "redditgnn.sweep.table:train_sweep",
}
__all__ = [
    "CONF_DIR",
    "Run",
    "Settings",
    "compose",
    "load_results",
    "load_run",
    "train",
    "train_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'redditgnn' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
