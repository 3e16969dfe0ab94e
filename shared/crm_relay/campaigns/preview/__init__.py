"""What a campaign would do, without doing it."""
