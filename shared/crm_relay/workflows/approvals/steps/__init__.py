"""What a step that waits for people does: who is asked, and what is recorded."""
