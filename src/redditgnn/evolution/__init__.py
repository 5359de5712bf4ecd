"""A graph through time: what changes between snapshots, and what becomes of communities."""
