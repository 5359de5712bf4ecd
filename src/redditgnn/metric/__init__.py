"""Scores of predictions: which there are, and how each is computed."""
