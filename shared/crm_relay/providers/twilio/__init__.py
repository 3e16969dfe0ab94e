"""Twilio: text messages out. Nothing of it runs until an account is configured."""

API_URL = "https://api.twilio.com"
