"""What runs leave on disk: rows, checkpoints, provenance."""
