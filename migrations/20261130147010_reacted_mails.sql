-- A step's opens and clicks are counted without a look at the mails of those who did nothing.
create index concurrently if not exists idx_email_sends_reacted on email_sends (sequence_id) include (human_opens, human_clicks)
    where human_opens > 0 or human_clicks > 0;
