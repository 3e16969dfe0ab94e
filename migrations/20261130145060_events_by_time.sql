-- Events of mails are counted by the day in which they happened, without a look at the table.
create index concurrently if not exists idx_email_logs_by_time on email_logs (occurred_at) include (event_type, verdict)
    where event_type in ('opened', 'clicked', 'bounced', 'complained', 'unsubscribed');
