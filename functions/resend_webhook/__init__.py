"""Records what became of a mail: delivery, opens, clicks, bounces, complaints and replies.

It decides whether a person or a scanner opened a mail, and ends the sequences that a reply or an opt-out
ends.

Use cases: webhooks/receive.py, mail/feedback/apply_event.py, campaigns/engine/follow_mail.py
Writes: webhook_inbox, email_logs, email_sends, inbox_items, consent_events, contact_opt_outs, customer_profiles,
    campaign_enrollments, incidents
"""
