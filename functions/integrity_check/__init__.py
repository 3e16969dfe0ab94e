"""Checks whether stored data is consistent, and fixes what may be fixed automatically.

With `{"fix": true, "full": true}` it fixes at most `INTEGRITY_FIX_CAP` rows a check, archives the log of
sequences that ended 90 days ago, and repeats the erasures that are not complete. The checks are listed in
[operations.md](operations.md#integrity-checks).

Use cases: integrity/run_checks.py, operations/repeat_erasures.py
Writes: integrity_runs, integrity_findings, integrity_fixes, emails, mautic_sync_status, campaign_enrollments,
campaign_sequence_logs, campaign_sequence_logs_archive, edge_changes, sync_log, incidents; items in DynamoDB; for
an erasure, every place that it goes to
Alarms: AlertChannelBroken
"""
