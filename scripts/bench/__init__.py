"""Benchmarks: redditgnn beside PyG and DGL.

Run from a checkout: `python -m scripts.bench.kernels --help`.

Rooms: `timing` (alternating calls, memory, processes), `rows` (CSV files with hardware and
versions), `cases` (what is measured), `peers` (the same work by PyG and DGL). The modules beside
them are programs, and the benches that they share. Imports go up that list only.
"""
