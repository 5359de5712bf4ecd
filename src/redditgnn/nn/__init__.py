"""Layers for PyG users: PyG's constructors and parameters, computed by the kernels of redditgnn.

`FusedGATConv` and `FusedGATv2Conv` take a plain `edge_index` where PyG's `GATConv` and `GATv2Conv`
do. They do not materialise edge-sized tensors.
"""

from redditgnn.nn.attention import FusedGATConv, FusedGATv2Conv

__all__ = ["FusedGATConv", "FusedGATv2Conv"]
