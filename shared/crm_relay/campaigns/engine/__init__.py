"""Due steps: claim, decide, queue, record, send."""
