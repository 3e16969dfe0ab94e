-- Organizations own workspaces; people work in them. Created only where the installation has no such table yet.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    created_at timestamptz not null default now()
);
alter table organizations add column if not exists postal_address text;
alter table organizations add column if not exists settings jsonb not null default '{}';

create table if not exists workspaces (
    id uuid primary key default gen_random_uuid(),
    org_id uuid references organizations (id) on delete cascade,
    name text not null unique,
    created_at timestamptz not null default now()
);
alter table workspaces add column if not exists org_id uuid references organizations (id) on delete cascade;
alter table workspaces add column if not exists timezone text not null default 'UTC';
alter table workspaces add column if not exists bison_workspace_id bigint;
alter table workspaces add column if not exists bison_instance_url text;

create table if not exists user_profiles (
    id uuid primary key default gen_random_uuid(),
    org_id uuid references organizations (id) on delete cascade,
    email text,
    manager_id uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now()
);
alter table user_profiles add column if not exists org_id uuid references organizations (id) on delete cascade;
alter table user_profiles add column if not exists manager_id uuid references user_profiles (id) on delete set null;

create table if not exists workspace_members (
    workspace_id uuid not null references workspaces (id) on delete cascade,
    user_id uuid not null references user_profiles (id) on delete cascade,
    role text not null default 'member',
    primary key (workspace_id, user_id)
);

-- One row a setting that lives with the data. 'default_org_id' names the organization that owns the tables which carry no
-- tenant in the documents they come from.
create table if not exists installation_settings (
    key text primary key,
    value text not null
);

insert into organizations (id, name)
select '00000000-0000-4000-8000-000000000001', 'Default organization'
where not exists (select from organizations)
on conflict do nothing;

insert into installation_settings (key, value)
select 'default_org_id', id::text from organizations order by created_at, id limit 1
on conflict do nothing;

create or replace function default_org_id() returns uuid
language sql stable security definer set search_path = public, pg_temp
as $$ select value::uuid from installation_settings where key = 'default_org_id' $$;

comment on function default_org_id() is
    'The organization of the installation: the default of every org_id column in tables that carried no tenant.';

-- Who is asking: from SET LOCAL app.* where it is set, else from the JWT claims that Supabase hands to PostgREST.
-- NULLIF: after a SET LOCAL has ended the setting reads as '' and a bare cast would raise 22P02.
create or replace function current_user_id() returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('app.user_id', true), ''),
        nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')
    )::uuid
$$;

-- A JWT names the user; which organization that is, the database knows: a claim of the client's own is not believed.
create or replace function current_org() returns uuid
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(
        nullif(current_setting('app.org_id', true), '')::uuid,
        (select org_id from user_profiles where id = current_user_id())
    )
$$;

create or replace function current_workspace_ids() returns uuid[]
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(array_agg(workspace_id), '{}') from workspace_members where user_id = current_user_id()
$$;

select secure_new_table('organizations', 'id = (select current_org())');
select secure_new_table('workspaces', 'id = any ((select current_workspace_ids())::uuid[])');
select secure_new_table('workspace_members', 'user_id = (select current_user_id())');
select secure_new_table('user_profiles', 'org_id = (select current_org())');
select secure_table('installation_settings');
