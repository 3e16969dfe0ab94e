"""Tokens and keys of connections: encrypted at rest, and refreshed once, however many workers need it."""
