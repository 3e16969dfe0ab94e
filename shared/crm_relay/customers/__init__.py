"""Customers and segments from PostgreSQL to Mautic: what changed is found, sent, confirmed and remembered per row."""
