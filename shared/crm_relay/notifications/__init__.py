"""Notifications to colleagues: told once, at the right time, on the right channel, and able to say why."""
