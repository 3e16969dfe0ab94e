"""Takes an installation out of a database and leaves what was there before it."""
