"""Trackers, which show runs in other tools: one module each, and all are optional."""
