"""Keeps the digests of the edge cache, by which a drift is found without reading it."""
