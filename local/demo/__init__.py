"""One full round on a laptop, and the table of what came of it."""
