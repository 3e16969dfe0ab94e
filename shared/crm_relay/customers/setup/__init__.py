"""Mautic's side: its fields, its segments, its webhook."""
