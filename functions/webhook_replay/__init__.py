"""Applies deliveries that were deferred while the database was away.

Deliveries that the queue gave up are kept in `failed_tasks`. At night, applied deliveries past their
retention are deleted.

Use cases: webhooks/replay.py, webhooks/retention.py
Writes: failed_tasks; the tables of mautic_webhook, bison_webhook, resend_webhook, mailchimp_webhook and unsubscribe
Alarms: FailedTasks
"""
