"""Syncs the accounts that workspaces have connected, and connects them by OAuth.

Every 15 minutes: connections whose time has come are synced one by one, each by its own frequency and budget. Changes
of the other side are taken over, ours are sent, and after a complete pass both sides are compared. A connection that
fails stops no other one. Grants that expire are refreshed at least daily. `/oauth/{provider}/start` and `/callback`
connect an account: a ticket of the API leads a browser to the provider, once.

Use cases: connections/engine/run_due.py, connections/mailboxes/mail_sync.py, connections/oauth/connect.py,
connections/disconnect.py
Writes: integration_connections, integration_secrets, integration_keys, integration_records, integration_checkpoints,
integration_rejects, integration_unconfirmed, integration_limits, integration_sync_logs, integration_activity,
integration_oauth_states, integration_standings, contacts, pitches, inbox_items, consent_events, incidents
Alarms: AlertChannelBroken
"""
