"""What the simulator answers: consent and tokens, and the API of mailboxes."""
