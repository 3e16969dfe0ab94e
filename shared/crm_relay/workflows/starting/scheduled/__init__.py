"""Starts runs at the times of schedules."""
