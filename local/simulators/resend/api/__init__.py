"""The calls that the account answers."""
