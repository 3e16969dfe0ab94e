"""Runs every due step of every campaign, and sends the mail that it queues.

Due steps are claimed, decided, queued and recorded in one transaction; only what was committed is sent, up to
100 e-mails a request. Before that, replies end the sequences that they answer. A/B tests are judged every
hour, or at once with `{"judge": true}`.

Use cases: campaigns/engine/run_due_steps.py, mail/sending/send_batches.py
Writes: campaign_enrollments, campaign_sequences, campaign_sequence_logs, campaigns, campaign_total_changes,
campaign_unsettled, activities,
email_batches, email_sends, email_logs, email_identities, own_sender, send_modes, hold_changes, sms_sends, inbox_items,
consent_events, incidents, installation_settings
Alarms: AlertChannelBroken
"""
