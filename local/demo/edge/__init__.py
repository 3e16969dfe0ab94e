"""The act about the edge cache."""
