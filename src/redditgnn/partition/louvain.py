"""Louvain (Blondel et al. 2008, arXiv:0803.0476)."""

from __future__ import annotations

from redditgnn.partition.levels import LevelMethod


class Louvain(LevelMethod):
    """Sets that move as one are whole communities, which are never taken apart again."""

    refines = False
