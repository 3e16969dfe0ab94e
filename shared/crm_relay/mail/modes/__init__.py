"""In which mode mail leaves, as the last run found it."""
