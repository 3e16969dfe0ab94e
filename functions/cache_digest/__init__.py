"""Keeps the digests of the edge cache, by which a drift is found without reading it.

How digests work is described in [edge-cache.md](edge-cache.md#digests).

Use cases: edge_cache/dynamo/keep_digests.py
Writes: no table; digests in DynamoDB
"""
