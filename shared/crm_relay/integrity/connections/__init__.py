"""What is checked of connections."""
