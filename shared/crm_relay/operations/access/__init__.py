"""Named tokens of the admin API."""
