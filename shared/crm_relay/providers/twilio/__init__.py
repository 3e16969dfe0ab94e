"""Twilio: text messages out. Nothing of it runs until an account is configured."""
