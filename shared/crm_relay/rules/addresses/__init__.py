"""Addresses and numbers as people, mail programs and other tools write them."""
