"""crm-relay up, demo and reset: the stack on this laptop."""
