"""Datasets: each module has `load(data_dir, *, ...) -> GraphData`, its parameters are its YAML."""
