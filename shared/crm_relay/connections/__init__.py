"""Workspace integrations: accounts that stay connected, and records kept equal on both sides.

A connector implements `crm_relay.providers.connectors.contract`; this room runs it.
"""
