"""Node embeddings: a vector for each node from the edges alone, before any training."""
