-- Where the reading of departures goes on while a connection waits for somebody's look, since its records wait at their own cursor.
set local lock_timeout = '5s';

alter table integration_checkpoints add column if not exists departures_cursor text;
comment on column integration_checkpoints.departures_cursor is
    'Who left an audience was read up to here while its records waited for somebody; null: both are at the same place.';
