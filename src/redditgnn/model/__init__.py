"""Models as `encode`, `layer` and `decode`: one module and one YAML file per model."""
