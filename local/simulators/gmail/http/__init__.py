"""What every call passes, and what goes wrong on purpose."""
