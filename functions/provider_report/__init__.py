"""Takes down each provider's figures of the day and compares counters with their log."""
