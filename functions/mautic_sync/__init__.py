"""Sends what changed about customers, segments and consent to Mautic.

First, events and opt-outs that waited for their customer are applied. With `{"full": true}` every customer is compared,
which finds what only time changes. With `{"watch": true}` it checks whether Mautic's webhook is still
published and reads what it missed. `POST /api/sync/mautic` needs a token with the role `operate`; a run that
stops itself publishes to the alert topic.

Use cases: customers/syncing/sync_customers.py, operations/watch_webhook.py
Writes: mautic_sync_status, mautic_sync_logs, mautic_dirty, mautic_dirty_bulk, mautic_removals,
mautic_webhook_watch, installation_settings; for events that waited, the tables of mautic_webhook
Alarms: MauticSyncStopped, MauticWebhookOff
"""
