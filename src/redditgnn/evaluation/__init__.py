"""Exact inference over the whole graph, and scores."""
