"""One run of the sync, step by step."""
