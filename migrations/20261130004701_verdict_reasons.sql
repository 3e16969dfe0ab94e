-- Why an open or a click is a person's or a machine's.
set local lock_timeout = '5s';

alter table email_logs add column if not exists verdict_reason text;
comment on column email_logs.verdict_reason is 'Why an open or a click counts as a person''s or a machine''s.';
