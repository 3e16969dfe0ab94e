"""One room per outside service, the same file names everywhere; no SQL, and no knowledge of what we do for people."""
