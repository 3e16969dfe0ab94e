-- Workspace integrations: connections, their secrets, what each side holds, and what was done.
set local lock_timeout = '5s';
select remember_tables();

-- The document's tables. Where an installation has them without a workspace, the column is added, and a row without one
-- is never synced.
create table if not exists integration_connections (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces (id) on delete cascade,
    integration_type text not null,
    credentials jsonb default '{}',
    settings jsonb default '{}',
    status text default 'active',
    sync_enabled boolean default true,
    last_sync_at timestamptz,
    error_message text,
    error_count integer default 0,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
alter table integration_connections alter column id set default gen_random_uuid();
alter table integration_connections add column if not exists workspace_id uuid references workspaces (id) on delete cascade;
-- Tells connections of one kind in a workspace apart.
alter table integration_connections add column if not exists label text;
alter table integration_connections add column if not exists account_label text;
alter table integration_connections add column if not exists sync_frequency_minutes integer not null default 15;
alter table integration_connections add column if not exists next_sync_at timestamptz not null default now();
-- Somebody asked for a sync now.
alter table integration_connections add column if not exists sync_requested_at timestamptz;
-- What syncs wait for, whatever the status is.
alter table integration_connections add column if not exists held_for text;
alter table integration_connections add column if not exists held_at timestamptz;
alter table integration_connections add column if not exists held_details jsonb not null default '{}';
-- Somebody looked at what the first sync would do; null: it only previews.
alter table integration_connections add column if not exists confirmed_at timestamptz;
-- Somebody wants it gone: the grant is taken back first.
alter table integration_connections add column if not exists remove_requested_at timestamptz;
-- Somebody agreed to a sync that removes more than usual: the next one may.
alter table integration_connections add column if not exists shrink_allowed_at timestamptz;
alter table integration_connections add column if not exists probes integer not null default 0;
alter table integration_connections add column if not exists leased_until timestamptz;
alter table integration_connections add column if not exists lease uuid;
alter table integration_connections drop constraint if exists integration_connections_status_check;
alter table integration_connections add constraint integration_connections_status_check
    check (status in ('active', 'paused', 'error', 'disconnected')) not valid;
alter table integration_connections drop constraint if exists integration_connections_held_for_check;
alter table integration_connections add constraint integration_connections_held_for_check
    check (held_for in ('reconnect', 'preview', 'confirmation', 'billing')) not valid;
alter table integration_connections drop constraint if exists integration_connections_frequency_check;
alter table integration_connections add constraint integration_connections_frequency_check
    check (sync_frequency_minutes between 1 and 44640) not valid;
create unique index if not exists idx_integration_connections_label
    on integration_connections (workspace_id, integration_type, label) where label is not null and status <> 'disconnected';
create index if not exists idx_integration_connections_due on integration_connections (next_sync_at)
    where status in ('active', 'error') and sync_enabled;

create table if not exists integration_sync_logs (
    id uuid primary key default gen_random_uuid(),
    connection_id uuid references integration_connections (id) on delete cascade,
    direction text not null,
    records_created integer default 0,
    records_updated integer default 0,
    records_failed integer default 0,
    errors jsonb default '[]',
    duration_ms integer,
    started_at timestamptz default now(),
    completed_at timestamptz
);
alter table integration_sync_logs alter column id set default gen_random_uuid();
alter table integration_sync_logs add column if not exists success boolean;
alter table integration_sync_logs add column if not exists records_synced integer not null default 0;
alter table integration_sync_logs add column if not exists metadata jsonb not null default '{}';
create index if not exists idx_integration_sync_logs_newest on integration_sync_logs (connection_id, started_at desc);
create index if not exists idx_integration_sync_logs_started on integration_sync_logs (started_at);

create table if not exists integration_activity (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces (id) on delete cascade,
    integration_name varchar(50) not null,
    action varchar(100) not null,
    success boolean not null,
    records_affected integer default 0,
    error_message text,
    metadata jsonb default '{}',
    created_at timestamptz default now()
);
alter table integration_activity alter column id set default gen_random_uuid();
alter table integration_activity add column if not exists connection_id uuid references integration_connections (id) on delete cascade;
create index if not exists idx_integration_activity_newest on integration_activity (workspace_id, created_at desc);
create index if not exists idx_integration_activity_created on integration_activity (created_at);

-- Data keys, each encrypted by the key service or the key file; the newest one encrypts.
create table if not exists integration_keys (
    version integer primary key,
    encrypted_key bytea not null,
    key_name text not null,
    created_at timestamptz not null default now()
);

-- One grant a connection. A generation is one grant or one refresh of it; who holds the lease of a generation refreshes it.
create table if not exists integration_secrets (
    connection_id uuid primary key references integration_connections (id) on delete cascade,
    ciphertext bytea not null,
    key_version integer not null references integration_keys (version),
    generation bigint not null default 1,
    expires_at timestamptz,
    refresh_expires_at timestamptz,
    has_refresh_token boolean not null default false,
    refreshed_at timestamptz not null default now(),
    refresh_until timestamptz,
    lease uuid,
    -- The vendor refused this generation for good: somebody has to connect the account again.
    refused_generation bigint,
    updated_at timestamptz not null default now()
) with (fillfactor = 50);

-- Which record there is which of ours. `fields`: column -> what each side held when they last agreed, as keyed hashes
-- ('ours:theirs'), so that what comes back to us is known as our own, and each side's changes are told apart.
create table if not exists integration_records (
    connection_id uuid not null references integration_connections (id) on delete cascade,
    stream text not null,
    their_id text not null,
    our_id uuid,
    fields jsonb not null default '{}',
    hash text not null default '',
    -- The version of our row that was last compared.
    our_version text,
    seen_in_pass bigint not null default 0,
    -- 'gone': removed there, and not sent again. 'remove': has to go there. Null: linked.
    state text check (state in ('gone', 'remove')),
    updated_at timestamptz not null default now(),
    primary key (connection_id, stream, their_id)
) with (fillfactor = 70);
create unique index if not exists idx_integration_records_ours on integration_records (connection_id, stream, our_id)
    where our_id is not null;
create index if not exists idx_integration_records_our_id on integration_records (our_id) where our_id is not null;
create index if not exists idx_integration_records_remove on integration_records (connection_id, stream) where state = 'remove';

create table if not exists integration_checkpoints (
    connection_id uuid not null references integration_connections (id) on delete cascade,
    stream text not null,
    cursor text,
    pass bigint not null default 0,
    pass_began_at timestamptz,
    pass_read integer not null default 0,
    completed_at timestamptz,
    -- Of the last complete pass: how many each side had, and the sums over them.
    compared jsonb,
    -- What stopped this stream alone, such as a field that is gone.
    stopped_reason text,
    updated_at timestamptz not null default now(),
    primary key (connection_id, stream)
);

-- A record that one side refused; tried again with its values of then.
create table if not exists integration_rejects (
    connection_id uuid not null references integration_connections (id) on delete cascade,
    stream text not null,
    direction text not null check (direction in ('to_external', 'from_external')),
    -- Our id of one that was refused there, their id of one that was refused here.
    record_id text not null,
    reason text not null,
    our_version text,
    attempts integer not null default 1,
    first_at timestamptz not null default now(),
    last_at timestamptz not null default now(),
    retry_at timestamptz not null,
    primary key (connection_id, stream, direction, record_id)
);

-- One limit of a vendor, shared by every process: when the next request may leave, and the requests of the month.
create table if not exists integration_limits (
    scope text primary key,
    next_at timestamptz not null default now(),
    month date not null default date_trunc('month', now() at time zone 'UTC'),
    used integer not null default 0,
    updated_at timestamptz not null default now()
) with (fillfactor = 50);

-- An account that is being connected: of one workspace and person, once, and not for long.
create table if not exists integration_oauth_states (
    state_hash text primary key,
    provider text not null,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    started_by text not null,
    connection_id uuid references integration_connections (id) on delete cascade,
    label text,
    settings jsonb not null default '{}',
    -- Null until a browser has been sent to the provider.
    verifier bytea,
    key_version integer references integration_keys (version),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index if not exists idx_integration_oauth_states_expires on integration_oauth_states (expires_at);

-- Pitches go out by Gmail; the document syncs them and defines no table.
create table if not exists pitches (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces (id) on delete cascade,
    contact_id uuid references contacts (id) on delete set null,
    address text,
    subject text not null default '',
    body_html text,
    body_text text,
    status text not null default 'draft',
    sent_at timestamptz,
    external_id text,
    external_thread_id text,
    external_draft_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index if not exists idx_pitches_workspace on pitches (workspace_id, status, created_at);
create index if not exists idx_pitches_contact on pitches (contact_id) where contact_id is not null;

select secure_new_table('pitches', 'workspace_id = any ((select current_workspace_ids())::uuid[])');
select secure_new_table('integration_activity', 'workspace_id = any ((select current_workspace_ids())::uuid[])');
select secure_new_table('integration_connections', 'workspace_id = any ((select current_workspace_ids())::uuid[])');
select secure_new_table(relation::regclass, format(
    'exists (select from integration_connections connection where connection.id = %s.connection_id)', relation
))
from unnest(array['integration_sync_logs', 'integration_checkpoints', 'integration_rejects']) as relation;
select secure_new_table(relation::regclass)
from unnest(array[
    'integration_secrets', 'integration_keys', 'integration_records', 'integration_limits', 'integration_oauth_states'
]) as relation;

-- Row security ends at rows: until `initialize` moves them, credentials that were inserted by hand stand in a column. Also
-- where the table was there before us, no role of a user reads, writes or copies it.
do $$
declare
    shown text;
begin
    select string_agg(quote_ident(attname), ', ' order by attnum) into shown
    from pg_attribute
    where attrelid = 'integration_connections'::regclass and attnum > 0 and not attisdropped
        and attname not in ('credentials', 'lease', 'leased_until');
    execute 'revoke all on integration_connections from public, anon, authenticated';
    execute format('grant select (%s) on integration_connections to authenticated', shown);
end
$$;
alter table integration_connections enable row level security;

-- What a page of somebody's own asks: the connections of a workspace that the caller is a member of.
create or replace function integration_status(workspace uuid, integration text default null)
returns table (
    connection_id uuid, integration_type text, label text, status text, is_enabled boolean, held_for text,
    last_sync_at timestamptz, next_sync_at timestamptz, error_count integer, error_message text
)
language sql stable
set search_path = public, pg_temp
as $$
    select
        connection.id, connection.integration_type, connection.label, connection.status,
        connection.sync_enabled and connection.status = 'active' and connection.held_for is null, connection.held_for,
        connection.last_sync_at, connection.next_sync_at, connection.error_count, connection.error_message
    from integration_connections connection
    where connection.workspace_id = workspace and (integration is null or connection.integration_type = integration)
    order by connection.integration_type, connection.label nulls first, connection.id
$$;
create or replace function is_integration_enabled(workspace uuid, integration text) returns boolean
language sql stable
set search_path = public, pg_temp
as $$
    select exists (select from integration_status(workspace, integration) where is_enabled)
$$;
revoke all on function integration_status(uuid, text), is_integration_enabled(uuid, text) from public, anon;
grant execute on function integration_status(uuid, text), is_integration_enabled(uuid, text)
    to authenticated, service_role, crm_relay;
comment on function integration_status(uuid, text) is 'Status of a workspace''s connections, for the callers that may see them.';
comment on function is_integration_enabled(uuid, text) is 'Whether a workspace has a connection of this kind that syncs.';

comment on table integration_connections is 'Connected accounts of a workspace: settings, state, and when the next sync is due.';
comment on table integration_secrets is 'Tokens and keys of connections, encrypted; no role of a user reads them.';
comment on table integration_records is 'Which record of a connected account is which of ours, and what both sides held when they last agreed.';
comment on table integration_rejects is 'Records that one side refused, with the reason, until they pass.';
