-- name: lock_migrations
-- No migration runs meanwhile; as in the runner of migrations.
select pg_advisory_xact_lock(hashtext('crm-relay migrations'));

-- name: is_installed
-- Whether a migration of ours is recorded.
select coalesce((
    select true
    from supabase_migrations.schema_migrations applied
    where to_jsonb(applied) ->> 'sha256' is not null
    limit 1
), false) as found;

-- name: wait_for_locks
-- Not for long: a function that still writes would wait behind us.
set local lock_timeout = '10s';

-- name: forget_migrations
-- What `migrate` applied; files of others that the Supabase CLI applied stay.
delete from supabase_migrations.schema_migrations applied where to_jsonb(applied) ->> 'sha256' is not null;

-- name: drop_column
-- The Supabase CLI's table was there before.
do $$
begin
    drop table if exists supabase_migrations.catalogue_before;
    alter table supabase_migrations.schema_migrations drop column if exists sha256;
end
$$;

-- name: drop_bookkeeping
-- Where nobody else has recorded a migration in it.
do $$
begin
    drop table if exists supabase_migrations.catalogue_before;
    if exists (select from supabase_migrations.schema_migrations) then
        alter table supabase_migrations.schema_migrations drop column if exists sha256;
    else
        drop table supabase_migrations.schema_migrations;
        if not exists (select from pg_class where relnamespace = 'supabase_migrations'::regnamespace) then
            drop schema supabase_migrations;
        end if;
    end if;
end
$$;

-- name: take_rights_back
-- Of the role that the functions log in as, in this database; the role itself may be used by others.
do $$
begin
    drop owned by crm_relay;
exception
    when insufficient_privilege or undefined_object then null;
end
$$;

-- name: count_rows
-- About how many rows the tables hold.
select relname as table_name, n_live_tup as rows
from pg_stat_user_tables
where schemaname = 'public' and relname = any (:tables::text[])
order by n_live_tup desc, relname;

-- name: database_name
-- What has to be typed before data goes.
select current_database() as name;
