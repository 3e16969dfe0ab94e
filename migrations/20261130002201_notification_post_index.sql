-- Which deliveries share a message to Slack.
create index concurrently if not exists idx_notification_deliveries_post on notification_deliveries (post_id) where post_id is not null;
