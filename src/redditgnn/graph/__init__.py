"""The graph, the batches cut from it, and access to their features."""
