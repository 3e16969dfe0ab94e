"""Sends the notifications that are due, by e-mail, text message and Slack, one by one or as digests.

Every minute, and at once where a commit made something due: a message of its queue wakes it. Every gate is asked again
for what is due (preference, quiet hours, do-not-disturb, read meanwhile), then it is queued and recorded in one
transaction; only what was committed is sent, the most urgent first. Rows that were read or archived
`NOTIFICATION_RETENTION_DAYS` ago are removed every hour.

Use cases: notifications/release/run_due_deliveries.py, notifications/tidy_up.py
Writes: notifications, notification_deliveries, notification_digests, notification_posts, notification_slack_webhooks,
email_batches, email_sends, email_logs, sms_sends, consent_events, incidents, installation_settings
Alarms: AlertChannelBroken
"""
