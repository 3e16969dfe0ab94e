"""Replicates rows to the edge cache and brings back what was written there.

Changed prospects, campaigns, mailboxes and e-mails go to DynamoDB. Edits made there come back; rows that both
sides changed are decided and logged. `{"direction": "resync"}`, which arrives through the queue of orders,
rewrites everything.

Use cases: edge_cache/replication/replicate.py, edge_cache/replication/push_edits.py,
edge_cache/replication/resync.py
Writes: emails; prospects, campaigns and mailboxes where the edge wrote last; edge_changes, edge_parked,
edge_entities, edge_conflicts, edge_resyncs, sync_log, incidents; items in DynamoDB
Alarms: AlertChannelBroken, EdgeCacheReadThrottles, EdgeCacheWriteThrottles, EdgeCacheSystemErrors
"""
