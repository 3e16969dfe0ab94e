-- Recording consent asks the index of addresses for each event. With statistics the planner expects a hundred events and reads
-- every address of the installation instead: 7 ms more an opt-out among 12,000 customers, and more with every one.
set local lock_timeout = '5s';

alter function record_consent_events(jsonb) set enable_seqscan = off;
alter function record_consent_events(jsonb) set enable_hashjoin = off;
alter function record_consent_events(jsonb) set enable_mergejoin = off;
alter function note_mautic_dirty_consent() set enable_seqscan = off;
alter function note_mautic_dirty_consent() set enable_hashjoin = off;
alter function note_mautic_dirty_consent() set enable_mergejoin = off;
