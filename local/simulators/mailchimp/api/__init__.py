"""Mailchimp's API by resource."""
