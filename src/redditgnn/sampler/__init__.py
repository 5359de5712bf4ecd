"""Samplers: how a graph is cut into batches, one module and one YAML a sampler."""
