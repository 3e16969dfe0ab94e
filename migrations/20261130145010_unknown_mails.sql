-- The page asks every half minute how many mails have an unclear outcome.
create index concurrently if not exists idx_email_sends_unknown on email_sends (queued_at) where status = 'unknown';
