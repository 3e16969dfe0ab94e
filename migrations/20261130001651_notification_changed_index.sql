-- What a client that was away has missed.
create index concurrently if not exists idx_notifications_changed on notifications (user_id, updated_at);
