"""crm-relay connection: accounts of workspaces."""
