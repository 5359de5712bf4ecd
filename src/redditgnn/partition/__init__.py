"""Partitions of a graph: communities, and parts for samplers."""
