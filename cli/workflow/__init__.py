"""crm-relay workflow."""
