"""Experiment runner for node classification on graphs from PubMed to Reddit."""

from pathlib import Path

__version__ = "0.1.0"

_PACKAGED = Path(__file__).parent / "conf"  # in an installed wheel
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf"
