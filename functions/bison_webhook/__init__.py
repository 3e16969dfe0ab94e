"""Counts what EmailBison reports, and keeps leads, replies and account states."""
