"""crm-relay campaign."""
