"""Accounts that are opened for somebody who waits: connected by a key, and picked from."""
