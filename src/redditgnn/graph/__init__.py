"""The graph, the batch, and how their features are read."""
