"""template.yaml, read."""
