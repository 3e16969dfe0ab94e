"""HTTP in and out, and what is read from it."""
