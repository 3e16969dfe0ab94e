"""Applies the SQL migrations; called by hand after a deployment."""
