"""crm-relay import."""
