"""Partitions of a graph into parts: METIS or random."""
