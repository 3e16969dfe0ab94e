-- Mails are counted by the day in which they were made, without a look at the table.
create index concurrently if not exists idx_email_sends_by_time on email_sends (queued_at) include (status);
