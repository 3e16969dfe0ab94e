-- Who was in a request whose answer was lost; few mails were.
create index concurrently if not exists idx_email_sends_lost on email_sends (lost_request) where lost_request is not null;
