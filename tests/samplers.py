"""Every sampler, with settings that cut a graph of some dozen nodes into several batches."""

SAMPLERS = {
    "full": "sampler=full",
    "neighbor": "sampler=neighbor sampler.num_neighbors=[3,2] sampler.batch_size=7",
    "neighbor_tree": "sampler=neighbor_tree sampler.num_neighbors=[3,2] sampler.batch_size=7",
    "saint_node": "sampler=saint_node sampler.batch_size=20 sampler.num_steps=3",
    "saint_edge": "sampler=saint_edge sampler.batch_size=12 sampler.num_steps=3",
    "saint_rw": "sampler=saint_rw sampler.batch_size=8 sampler.walk_length=2 sampler.num_steps=3",
    "cluster": "sampler=cluster sampler.num_parts=6 sampler.batch_size=2",
    "gas": "sampler=gas sampler.num_parts=6 sampler.batch_size=2",
}
