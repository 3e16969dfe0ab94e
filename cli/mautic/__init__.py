"""crm-relay mautic."""
