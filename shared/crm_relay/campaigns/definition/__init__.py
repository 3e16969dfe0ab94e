"""Campaign files: their shape, and what is checked before one is kept."""
