"""Records each provider's figures of the day and compares counters with their log.

It reports providers whose reply rate fell.

Use cases: outreach/reporting/report_providers.py
Writes: provider_performance_history, sender_emails_cache, incidents
Alarms: AlertChannelBroken
"""
