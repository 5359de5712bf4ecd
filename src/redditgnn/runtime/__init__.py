"""What the rest needs of the machine: memory, threads, signals, files, time."""
