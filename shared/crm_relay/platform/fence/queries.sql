-- name: current_place
-- What identifies the database from inside, and what it was armed as; one statement before each run.
select
    current_database()::text as database_name, system_identifier() as system_identifier,
    (select value from installation_settings where key = 'armed_as') as armed_as;

-- name: arm
-- The present place is the right one.
insert into installation_settings (key, value) values ('armed_as', :armed_as)
on conflict (key) do update set value = excluded.value;

-- name: arm_if_new
-- A database that was never armed is a new one.
insert into installation_settings (key, value) values ('armed_as', :armed_as) on conflict do nothing;

-- name: claim_fence_report
-- One report a day, no matter who makes it.
insert into installation_settings (key, value) values ('fence_reported_at', :now::timestamptz::text)
on conflict (key) do update set value = excluded.value
    where installation_settings.value::timestamptz < excluded.value::timestamptz - interval '1 day'
returning value;
