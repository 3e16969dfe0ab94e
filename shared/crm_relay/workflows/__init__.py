"""Starts what should follow a change in the CRM, and takes its steps, each exactly once."""
