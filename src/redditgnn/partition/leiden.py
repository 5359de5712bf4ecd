"""Leiden (Traag, Waltman and van Eck 2019, arXiv:1810.08473)."""

from __future__ import annotations

from redditgnn.partition.levels import LevelMethod


class Leiden(LevelMethod):
    """Sets that move as one are well-connected parts of communities, so that they can be undone.

    The paper joins nodes to such a part at random, with a preference for gains. This joins them to
    the part of largest gain, as GVE-Leiden does (Sahu 2023, arXiv:2312.13936).
    """

    refines = True
