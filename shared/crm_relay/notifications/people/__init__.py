"""People who are notified: what acts for them, what became of theirs, and how they leave or are erased."""
