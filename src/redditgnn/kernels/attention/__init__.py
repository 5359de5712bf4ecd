"""Fused attention over CSR graphs: one operator, three backends."""
