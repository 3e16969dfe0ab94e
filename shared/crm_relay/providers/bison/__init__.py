"""EmailBison: webhooks of cold outreach in, sender accounts and webhook registrations by its API."""
