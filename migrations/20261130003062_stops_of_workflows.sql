-- A stop that was opened before workflows sent mail holds theirs as well.
set local lock_timeout = '5s';

update sending_stops
set purposes = purposes || array['workflow']
where resumed_at is null and 'campaign' = any (purposes) and not 'workflow' = any (purposes);
alter table sending_stops alter column purposes set default array['campaign', 'workflow'];
