"""The machine: memory, threads, signals, files, time."""
