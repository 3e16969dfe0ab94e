"""Contacts: their fields, forms, searches, segments and do-not-contact entries."""
