"""Starts and runs workflows: each step takes effect exactly once, and what leaves is sent behind its commit.

Every minute, and at once where something has happened: a message of its queue wakes it. Definitions that SQL has
changed are validated and published; events and schedules start runs. A batch of runs is claimed, decided and recorded
in one transaction with the tasks, updates, notifications, mails and webhooks that its steps make. Runs whose event or
answer has come are woken, and every few minutes runs that nothing moves any more are repaired.

Use cases: workflows/definition/adopt.py, workflows/starting/start_runs.py,
workflows/starting/scheduled/start_scheduled.py, workflows/backfill/start_backfills.py, workflows/engine/run_due.py,
workflows/webhooks_out/send_due_webhooks.py, workflows/engine/sweeps.py, workflows/approvals/sweeps.py
Writes: workflows, workflow_states, workflow_versions, workflow_listeners, workflow_instances, workflow_executions,
workflow_steps, workflow_actions, workflow_approvals, workflow_approval_links, workflow_execution_logs,
workflow_rotations, workflow_effects, workflow_pace, workflow_schedules, workflow_recordings, workflow_backfills,
workflow_start_decisions, workflow_webhooks, workflow_webhook_hosts, entity_events, accounts, activities, contacts,
deals, jobs, placements, submissions, notifications, notification_keys, notification_deliveries, notification_digests,
email_batches, email_sends, email_logs, consent_events, incidents, installation_settings
Alarms: AlertChannelBroken
"""
