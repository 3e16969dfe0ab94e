"""What is asked of EmailBison every five minutes."""
