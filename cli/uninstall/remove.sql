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

-- name: outside_catalogue
-- What the catalogue of the schema public does not list, and a cascade or an owner's end may take along all the same.
with schema as (
    select oid, nspname
    from pg_namespace
    where nspname <> 'information_schema' and nspname <> 'supabase_migrations' and nspname not like 'pg\_%'
),
class as (
    select class.oid, class.relkind, format('%I.%I', schema.nspname, class.relname) as name
    from pg_class class
    join schema on schema.oid = class.relnamespace
    where schema.nspname <> 'public' or class.relkind in ('f', 'c')
)
select 'schema' as kind, nspname::text as object, '' as part from schema
union all
select case relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence' when 'i' then 'index' else 'table' end, name, ''
from class
union all
select 'column', class.name, attribute.attname
from pg_attribute attribute
join class on class.oid = attribute.attrelid
where class.relkind <> 'i' and attribute.attnum > 0 and not attribute.attisdropped
union all
select 'default', class.name, attribute.attname
from pg_attrdef standard
join class on class.oid = standard.adrelid
join pg_attribute attribute on attribute.attrelid = standard.adrelid and attribute.attnum = standard.adnum
union all
select 'constraint', class.name, found.conname
from pg_constraint found
join class on class.oid = found.conrelid
union all
select 'trigger', class.name, found.tgname
from pg_trigger found
join class on class.oid = found.tgrelid
where not found.tgisinternal
union all
select 'policy', class.name, found.polname
from pg_policy found
join class on class.oid = found.polrelid
union all
select 'function', format('%I.%I(%s)', schema.nspname, routine.proname, pg_get_function_identity_arguments(routine.oid)), ''
from pg_proc routine
join schema on schema.oid = routine.pronamespace
where schema.nspname <> 'public'
union all
select 'type', format('%I.%I', schema.nspname, type.typname), ''
from pg_type type
join schema on schema.oid = type.typnamespace
where type.typtype in ('e', 'd', 'r') and (schema.nspname <> 'public' or type.typtype = 'r');
