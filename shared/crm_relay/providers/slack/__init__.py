"""Slack's incoming webhooks: messages out."""
