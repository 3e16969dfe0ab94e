"""The health of the senders of mail."""
