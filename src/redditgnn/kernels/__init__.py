"""Operators over CSR graphs, with the backends of `redditgnn.kernels.backend`."""

OPERATORS = ("gat_attention", "gatv2_attention")
