"""Reads the sender accounts of every workspace and looks after the webhooks."""
