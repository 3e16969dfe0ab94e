"""Counts what EmailBison reports, and keeps leads, replies and account states.

The delivery is kept raw and counted once. The token in the path names the workspace.

Use cases: webhooks/receive.py, outreach/deliveries/decide.py
Writes: webhook_inbox, webhook_delivery_log, webhook_delivery_slots, outreach_event_keys, client_metrics, client_leads,
    inbox_items, sender_emails_cache, consent_events, contact_opt_outs, waiting_opt_outs, customer_profiles,
    webhook_rejections, incidents
"""
