"""The operator's command line: crm-relay."""
