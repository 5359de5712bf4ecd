"""Rows of results/bench/*.csv."""
