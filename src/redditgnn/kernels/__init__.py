"""Operators over CSR graphs. `BACKENDS` says which implementations each of them has."""

BACKENDS = {"gat_attention": ["torch"], "gatv2_attention": ["torch"]}
