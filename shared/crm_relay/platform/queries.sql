-- name: bookkeeping_exists
-- A database that nobody migrated yet has no table to read.
select to_regclass('supabase_migrations.schema_migrations') is not null as found;

-- name: create_bookkeeping
-- The Supabase CLI's own table, with one column more: it notices no edited file by itself.
do $$
begin
    if to_regclass('supabase_migrations.schema_migrations') is null then
        create schema if not exists supabase_migrations;
        create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
    end if;
    alter table supabase_migrations.schema_migrations add column if not exists sha256 text;
end
$$;

-- name: lock_migrations
-- One runner at a time; held until the transaction ends, so it is safe in every pool mode.
select pg_advisory_xact_lock(hashtext('crm-relay migrations'));

-- name: applied_migrations
-- What is in place; sha256 is null for files that the Supabase CLI applied, whose table has no such column.
select version, to_jsonb(applied) ->> 'sha256' as sha256 from supabase_migrations.schema_migrations applied;

-- name: record_migration
-- In the same transaction as the file itself; no row where another runner was quicker.
insert into supabase_migrations.schema_migrations (version, name, statements, sha256)
values (:version, :name, array[ :sql ], :sha256)
on conflict (version) do nothing
returning version;
