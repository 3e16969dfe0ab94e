"""crm-relay doctor: looks at an installation, one check after the other."""
