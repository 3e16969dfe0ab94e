"""Moves runs that have begun to the active version: previewed, refused where their step is gone, history kept."""
