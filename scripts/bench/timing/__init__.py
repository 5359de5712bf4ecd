"""Seconds and memory of calls, and processes that a measurement has to itself."""
