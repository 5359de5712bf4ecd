"""Models, each as `encode / layer / decode`: one module and one YAML a model."""
