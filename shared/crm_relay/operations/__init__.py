"""What an operator does to the whole installation: use cases that go through several rooms."""
