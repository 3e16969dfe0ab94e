-- The newest deliveries, which the board and the command line list.
create index concurrently if not exists idx_notification_deliveries_created on notification_deliveries (created_at);
