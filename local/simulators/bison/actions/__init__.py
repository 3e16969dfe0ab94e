"""What owners and recipients do."""
