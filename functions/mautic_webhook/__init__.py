"""Applies opens, clicks, unsubscribes and bounces from Mautic to the customer.

The delivery is kept raw and applied in one transaction, or deferred to a queue while the database is away.

Use cases: webhooks/receive.py, engagement/deliveries/decide.py
Writes: webhook_inbox, customer_email_engagement, customer_profiles, customer_emails, consent_events,
    waiting_opt_outs, mautic_sync_status, mautic_former_contacts, mautic_dirty
"""
