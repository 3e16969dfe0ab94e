"""Airtable: the people of one table of a base, both ways. Nothing of it runs until an account is connected."""

API_URL = "https://api.airtable.com"
SITE_URL = "https://airtable.com"
