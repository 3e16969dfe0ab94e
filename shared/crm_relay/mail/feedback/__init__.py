"""What comes back: events, replies, and who wants no more mail."""
