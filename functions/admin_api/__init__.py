"""Serves the admin API and the operator's page.

The page and the API are described in [api.md](api.md). Long work is not done here but ordered through a
queue.

Use cases: operations/overview/read_overview.py, operations/orders.py, operations/access/tokens.py
Writes: api_tokens, sign_in_links, campaigns, campaign_sequences, campaign_enrollments, campaign_sequence_logs,
email_identities, email_sends, sms_sends, sending_stops, hold_changes, entity_history, incidents, incident_closures,
notification_templates, notifications, notification_keys, notification_deliveries, notification_digests, workflows,
workflow_versions, workflow_states, workflow_listeners, workflow_recordings, workflow_backfills, workflow_schedules,
workflow_instances, workflow_executions, workflow_steps, workflow_webhooks, workflow_execution_logs,
workflow_start_decisions, workflow_pace, workflow_effects, entity_events; what it orders, reverts or replays writes
the tables of its room
"""
