"""Takes what Resend tells of mail: its fate, opens and clicks, replies, and who wants no more."""
