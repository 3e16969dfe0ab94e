"""Reads the sender accounts of every workspace and checks its webhook.

Every hour it also checks how the webhooks are registered and fills in events that never arrived. Opt-outs of
leads that have an address by now are recorded. With `{"workspace": "…"}` it reads one workspace. Problems are
reported as incidents.

Use cases: outreach/polling/poll_workspaces.py
Writes: sender_emails_cache, bison_polls, client_metrics, webhook_delivery_log, waiting_opt_outs,
    consent_events, incidents
Alarms: AlertChannelBroken
"""
