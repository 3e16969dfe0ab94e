"""CRM Relay: the first-party layer that all functions share."""
