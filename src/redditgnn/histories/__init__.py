"""The hidden states of all nodes that `sampler=gas` stores between batches."""
