"""The emergency brake: an operator stops sending, and everything keeps its place until it is resumed."""
