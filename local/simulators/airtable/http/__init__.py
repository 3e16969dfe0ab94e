"""What every call passes first: faults, the token, the limits, the table of routes."""
