-- What failed, and what nobody knows the fate of: few rows, which the board counts.
create index concurrently if not exists idx_notification_deliveries_troubled on notification_deliveries (channel, updated_at)
    where state in ('failed', 'unknown');
