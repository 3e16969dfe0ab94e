"""What an installation has of connections: its key, and its connectors."""
