"""Programs around redditgnn: benchmarks, tables of results, single programs."""

from pathlib import Path

ROOT = Path(__file__).parents[1]  # the checkout
