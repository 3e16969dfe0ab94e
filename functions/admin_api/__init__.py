"""Serves the admin API and the operator's page.

The page and the API are described in [api.md](api.md). Long work is not done here but ordered through a
queue.

Use cases: operations/overview/read_overview.py, operations/orders.py, operations/access/tokens.py
Writes: api_tokens, campaigns, campaign_enrollments, entity_history; what it orders, reverts or replays writes
the tables of its room
"""
