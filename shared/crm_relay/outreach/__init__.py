"""Cold outreach through EmailBison: counters, leads, replies, sender accounts, and how each provider does."""
