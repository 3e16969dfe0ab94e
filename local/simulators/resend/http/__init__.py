"""What every call passes first: faults, the rate limit, the key, the table of routes."""
