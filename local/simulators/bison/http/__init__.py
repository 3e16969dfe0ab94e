"""What every call passes first: faults, the limit, the token, the table of routes."""
