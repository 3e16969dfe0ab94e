"""crm-relay cost."""
