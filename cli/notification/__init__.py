"""crm-relay notification."""
