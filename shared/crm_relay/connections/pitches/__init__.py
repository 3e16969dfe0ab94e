"""Pitches: mails that leave by a connected mailbox, one by one, through the gate, and once."""
