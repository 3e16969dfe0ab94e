"""The day's and the month's figures."""
