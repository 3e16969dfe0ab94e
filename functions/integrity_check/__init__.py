"""Checks whether what is stored is true, and mends what may be mended unasked."""
