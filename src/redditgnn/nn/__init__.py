"""Layers for PyG users: same constructors and parameters as PyG's, computed by our kernels."""
