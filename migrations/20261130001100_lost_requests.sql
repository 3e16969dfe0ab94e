-- A request whose answer was lost and of which the provider's list showed nothing: its mails leave again under a new key, and an
-- event of the old one still has to be recognised.
set local lock_timeout = '5s';

alter table email_sends add column if not exists lost_request text;
alter table email_sends add column if not exists lost_at timestamptz;
alter table sms_sends add column if not exists generation integer not null default 0;

comment on column email_sends.lost_request is
    'Key of the first request that carried it and of which the provider''s list showed nothing; null: there was none. An event of it proves that everybody in it was written to.';
comment on column email_sends.lost_at is 'When the list showed nothing the last time; what left later left again.';
comment on column sms_sends.generation is 'How often it surely was not sent and began anew; with attempts it names one attempt.';
