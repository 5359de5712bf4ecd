"""Pairs of model and sampler, in settings that differ in nothing else."""

from __future__ import annotations

# Two layers of 64.
MODELS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sage", "gcn", "gat", "gatv2", "gin", "pna"), ("model.hidden_channels=64",)),
    "gcn2": ("model.hidden_channels=64", "model.num_layers=2", "model.dropout=0.5"),
    "appnp": ("model.hidden_channels=64", "model.num_layers=2"),
    "sgc": (),
    "sign": ("model.hidden_channels=64",),
    "mlp": ("model.hidden_channels=64",),
}
# About a twelfth of the graph a step; every training node once an epoch, if that is a choice.
SAMPLERS: dict[str, tuple[str, ...]] = {
    "neighbor": ("sampler.num_neighbors=[25,10]", "sampler.batch_size=1024"),
    "neighbor_tree": ("sampler.num_neighbors=[10,5]", "sampler.batch_size=1024"),
    "saint_node": ("sampler.batch_size=3000", "sampler.num_steps=12"),
    "saint_edge": ("sampler.batch_size=1500", "sampler.num_steps=12"),
    "saint_rw": ("sampler.batch_size=700", "sampler.walk_length=2", "sampler.num_steps=12"),
    "cluster": ("sampler.num_parts=50", "sampler.batch_size=5"),
    "gas": ("sampler.num_parts=50", "sampler.batch_size=5"),
    "full": (),
}


def pair_overrides(model: str, sampler: str) -> list[str]:
    """Return the settings of a pair."""
    return [f"model={model}", f"sampler={sampler}", *MODELS[model], *SAMPLERS[sampler]]
