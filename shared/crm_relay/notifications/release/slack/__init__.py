"""Messages to Slack, which has no ledger of its own: posted once, settled, and shared by those that they concern."""
