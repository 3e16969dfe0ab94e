"""Limits of vendors, kept by all processes together: permits are taken in blocks from one row a limit."""
