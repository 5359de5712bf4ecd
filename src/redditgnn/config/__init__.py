"""Settings: from overrides and YAML files to typed values and built components."""
