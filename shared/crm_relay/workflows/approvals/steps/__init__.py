"""What a step that waits for people does: whom it asks, and what it records of it."""
