"""Sequences of steps: who is due, what happens to them, and what ends it."""
