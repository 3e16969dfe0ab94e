"""What every call passes first: the server, faults, tokens, the table of routes."""
