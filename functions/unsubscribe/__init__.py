"""Serves the page behind the unsubscribe link of a mail, and the one click of mail programs.

GET shows the page and changes nothing; POST unsubscribes.

Use cases: mail/feedback/unsubscribe.py
Writes: webhook_inbox, consent_events, contact_opt_outs, customer_profiles, topic_opt_outs, email_sends, email_logs,
    campaign_enrollments, campaign_sequence_logs, notification_preferences, notification_deliveries
"""
