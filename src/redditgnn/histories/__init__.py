"""Hidden states of all nodes that `sampler=gas` keeps between batches."""
