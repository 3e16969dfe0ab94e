"""Notices schedules that have fallen silent, and dead letters."""
