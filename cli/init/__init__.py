"""crm-relay init: what a new installation needs, asked one after the other."""
