"""Resend: mail out in batches, received mail and its headers by its API, and signed webhooks in."""

API_URL = "https://api.resend.com"
