"""What a run does next: its program, its waits and retries, and how far it comes; pure."""
