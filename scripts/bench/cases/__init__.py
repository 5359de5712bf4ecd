"""What is measured: graphs, layers, training, pairs of model and sampler."""
