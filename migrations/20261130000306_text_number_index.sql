-- Who got texts at a number that is not theirs any more.
create index concurrently if not exists idx_sms_sends_number on sms_sends (to_number);
