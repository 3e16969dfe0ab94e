"""What an owner does with a campaign, and sees of it."""
