"""Requests to other systems: committed with their step, signed and sent behind the commit, settled once."""
