"""Webhooks: their API, their events, their delivery."""
