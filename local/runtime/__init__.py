"""Lambda's runtime on a laptop."""
