"""Replicates rows to the edge cache and brings back what was written there."""
