-- What is replicated to the edge, which version of it, and what changed since: prospects, campaigns, mailboxes and e-mails.
set local lock_timeout = '5s';

-- A version is unique and grows with every change of a row: rows with equal times, and transactions that commit late, keep
-- their order, since the number is drawn while the row is locked. No default is written into rows that exist: null counts as
-- 1, so that 0 is left for what PostgreSQL never had.
create sequence if not exists edge_versions start with 2;
grant usage, select on sequence edge_versions to service_role, crm_relay;

-- An installation's own tables may have fewer columns than the edge shows; what they have stays as it is.
alter table prospects
    add column if not exists name text, add column if not exists city text, add column if not exists country text,
    add column if not exists contact_name text, add column if not exists contact_email text, add column if not exists contact_title text,
    add column if not exists phone text, add column if not exists website text, add column if not exists linkedin_url text,
    add column if not exists stage text, add column if not exists tier text, add column if not exists score numeric,
    add column if not exists lead_source text, add column if not exists email_bounced boolean, add column if not exists archived boolean,
    add column if not exists created_at timestamptz, add column if not exists updated_at timestamptz;
alter table campaigns
    add column if not exists name text, add column if not exists description text, add column if not exists status text,
    add column if not exists source text, add column if not exists send_window_start time, add column if not exists send_window_end time,
    add column if not exists send_days text[], add column if not exists timezone text, add column if not exists created_at timestamptz,
    add column if not exists updated_at timestamptz;
alter table mailboxes
    add column if not exists email text, add column if not exists name text, add column if not exists provider text,
    add column if not exists status text, add column if not exists daily_limit integer, add column if not exists created_at timestamptz,
    add column if not exists updated_at timestamptz;
alter table emails
    add column if not exists prospect_id uuid, add column if not exists campaign_id uuid, add column if not exists subject text,
    add column if not exists body text, add column if not exists to_email text, add column if not exists from_email text,
    add column if not exists message_id text, add column if not exists direction text, add column if not exists status text,
    add column if not exists sent_at timestamptz, add column if not exists opened_at timestamptz, add column if not exists clicked_at timestamptz,
    add column if not exists replied_at timestamptz, add column if not exists bounced_at timestamptz, add column if not exists created_at timestamptz,
    add column if not exists updated_at timestamptz;

alter table prospects add column if not exists sync_version bigint;
alter table campaigns add column if not exists sync_version bigint;
alter table mailboxes add column if not exists sync_version bigint;
alter table emails add column if not exists sync_version bigint;
alter table emails add column if not exists edge_base bigint;
alter table emails add column if not exists orphaned boolean not null default false;
alter table emails add column if not exists duplicate_of uuid;

-- What changed, append-only: only what was confirmed is deleted, by exactly the numbers that were read. Nothing is skipped
-- because it was committed late, since nothing remembers "up to here".
create table if not exists edge_changes (
    seq bigint generated always as identity primary key,
    entity text not null,
    id uuid not null,
    version bigint not null,
    is_deleted boolean not null default false,
    noted_at timestamptz not null default now()
);

-- E-mails are written at the edge: one that PostgreSQL lacks is brought to it, unless it was deleted here.
create table if not exists edge_deleted_emails (
    id uuid primary key,
    deleted_at timestamptz not null default now()
);

-- Rows that could not be written, with the reason; they are tried again with whatever they are by then.
create table if not exists edge_parked (
    direction text not null check (direction in ('to_cache', 'to_postgres')),
    entity text not null,
    id uuid not null,
    reason text not null,
    attempts integer not null default 1,
    parked_at timestamptz not null default now(),
    retry_at timestamptz,
    primary key (direction, entity, id)
);

-- One row a run and direction: the whole audit trail, also of what could not be done.
create table if not exists sync_log (
    id bigint generated always as identity primary key,
    direction text not null check (direction in ('to_cache', 'to_postgres', 'resync')),
    entity text,
    ordered_by text not null default 'schedule',
    started_at timestamptz not null,
    finished_at timestamptz,
    read_count integer not null default 0,
    written_count integer not null default 0,
    unchanged_count integer not null default 0,
    deleted_count integer not null default 0,
    parked_count integer not null default 0,
    conflict_count integer not null default 0,
    pending_count integer,
    status text not null default 'running' check (status in ('running', 'success', 'stopped', 'failed')),
    error text
);
create index if not exists idx_sync_log_direction on sync_log (direction, id desc);

-- How many rows each entity had when they were last counted. Fewer by more than a limit is no news but an accident: nothing is
-- deleted at the edge until somebody says so.
create table if not exists edge_entities (
    entity text primary key,
    known_rows bigint not null default 0,
    counted_at timestamptz,
    blocked_at timestamptz,
    shrink_allowed_until timestamptz
);
insert into edge_entities (entity)
values ('prospects'), ('campaigns'), ('mailboxes'), ('emails')
on conflict do nothing;

-- Both sides of every conflict, and who won by which rule; the loser can be brought back.
create table if not exists edge_conflicts (
    id bigint generated always as identity primary key,
    entity text not null,
    row_id uuid not null,
    postgres_doc jsonb,
    edge_doc jsonb,
    postgres_at timestamptz,
    edge_at timestamptz,
    edge_edits integer not null default 0,
    differing text[] not null default '{}',
    winner text not null check (winner in ('postgres', 'edge')),
    rule text not null,
    decided_at timestamptz not null default now(),
    reverted_at timestamptz,
    reverted_by text
);
-- One edit is one conflict, also where the run that decided it did not live to say so at the edge.
create unique index if not exists idx_edge_conflicts_edit on edge_conflicts (entity, row_id, edge_edits, edge_at);
create index if not exists idx_edge_conflicts_open on edge_conflicts (id desc) where reverted_at is null;

-- A full resync goes on where it was cut off; `generation` is what the items of it carry.
create table if not exists edge_resyncs (
    id bigint generated always as identity primary key,
    entity text not null,
    generation bigint not null,
    clears boolean not null default true,
    phase text not null default 'write' check (phase in ('write', 'look', 'sweep', 'done', 'stopped')),
    after_id uuid,
    next_bucket integer not null default 0,
    total bigint,
    written bigint not null default 0,
    doomed bigint not null default 0,
    swept bigint not null default 0,
    ordered_by text not null,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    error text
);
create unique index if not exists idx_edge_resyncs_running on edge_resyncs (entity) where finished_at is null;

-- Whoever may write the row may have a version drawn for it.
create or replace function draw_edge_version() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    told text := coalesce(current_setting('app.edge_sync', true), '');
begin
    new.sync_version := nextval('edge_versions');
    -- The last write wins, so a write has to say when it was: also one of an application that forgets to.
    if tg_op = 'UPDATE' and told = '' and new.updated_at is not distinct from old.updated_at then
        new.updated_at := clock_timestamp();
    end if;
    if tg_table_name = 'emails' and told <> 'on' then
        new.edge_base := null;
    end if;
    return new;
end
$$;

create or replace function note_edge_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    noted constant text := 'insert into edge_changes (entity, id, version, is_deleted) select %L, id, ';
begin
    -- What comes from the edge is there already: its own write is not sent back to it.
    if current_setting('app.edge_sync', true) = 'on' then
        return null;
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        execute format(noted || 'sync_version, false from changed', tg_table_name);
    end if;
    if tg_op = 'UPDATE' then
        -- A row that got another id is gone under its former one.
        execute format(
            noted || 'nextval(''edge_versions''), true from former where not exists (select from changed where changed.id = former.id)',
            tg_table_name
        );
    elsif tg_op = 'DELETE' then
        execute format(noted || 'nextval(''edge_versions''), true from gone', tg_table_name);
        if tg_table_name = 'emails' then
            insert into edge_deleted_emails (id) select id from gone on conflict do nothing;
        end if;
    elsif tg_op = 'TRUNCATE' then
        execute format(noted || 'nextval(''edge_versions''), true from %1$I', tg_table_name);
        if tg_table_name = 'emails' then
            insert into edge_deleted_emails (id) select id from emails on conflict do nothing;
        end if;
    end if;
    return null;
end
$$;

do $$
declare
    entity text;
begin
    foreach entity in array array['prospects', 'campaigns', 'mailboxes', 'emails'] loop
        execute format('create or replace trigger edge_version before insert or update on %I for each row execute function draw_edge_version()', entity);
        execute format('create or replace trigger edge_inserted after insert on %I referencing new table as changed for each statement execute function note_edge_change()', entity);
        execute format('create or replace trigger edge_updated after update on %I referencing old table as former new table as changed for each statement execute function note_edge_change()', entity);
        execute format('create or replace trigger edge_deleted after delete on %I referencing old table as gone for each statement execute function note_edge_change()', entity);
        execute format('create or replace trigger edge_truncated before truncate on %I for each statement execute function note_edge_change()', entity);
    end loop;
end
$$;

-- The same in Python: crm_relay.edge_cache.keys.
create or replace function edge_bucket(id uuid) returns integer
language sql immutable parallel safe
as $$ select ('x' || left(md5(id::text), 3))::bit(12)::integer $$;

-- 60 bits, so that a sum of them stays exact in both stores. The document is hashed as the text that the item holds.
create or replace function edge_hash(id uuid, version bigint, doc text) returns bigint
language sql immutable parallel safe
as $$ select ('x' || left(md5(id::text || '|' || version || '|' || doc), 15))::bit(60)::bigint $$;

-- For reading one bucket of a large table.
create index if not exists idx_prospects_bucket on prospects (edge_bucket(id));
create index if not exists idx_emails_bucket on emails (edge_bucket(id));

-- Every row as it stands at the edge. Times are written in UTC and with microseconds, whatever the session's zone.
create or replace function edge_time(at timestamptz) returns text
language sql immutable parallel safe
as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

create or replace view edge_source with (security_invoker = true) as
select
    'prospects' as entity, id, coalesce(sync_version, 1) as version, coalesce(updated_at, created_at, 'epoch') as updated_at, edge_bucket(id) as bucket,
    jsonb_build_object(
        'id', id, 'name', name, 'city', city, 'country', country, 'contact_name', contact_name, 'contact_email', contact_email,
        'contact_title', contact_title, 'phone', phone, 'website', website, 'linkedin_url', linkedin_url, 'stage', stage,
        'tier', tier, 'score', trim_scale(score), 'lead_source', lead_source, 'email_bounced', email_bounced, 'archived', archived,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text as doc,
    null::bigint as edge_base
from prospects
union all
select
    'campaigns', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id),
    jsonb_build_object(
        'id', id, 'name', name, 'description', description, 'status', status, 'source', source,
        'send_window_start', send_window_start, 'send_window_end', send_window_end, 'send_days', send_days, 'timezone', timezone,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    null
from campaigns
union all
select
    'mailboxes', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id),
    jsonb_build_object(
        'id', id, 'email', email, 'name', name, 'provider', provider, 'status', status, 'daily_limit', daily_limit,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    null
from mailboxes
union all
select
    'emails', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id),
    jsonb_build_object(
        'id', id, 'prospect_id', prospect_id, 'campaign_id', campaign_id, 'subject', subject, 'body', body, 'to_email', to_email,
        'from_email', from_email, 'message_id', message_id, 'direction', direction, 'status', status,
        'sent_at', edge_time(sent_at), 'opened_at', edge_time(opened_at), 'clicked_at', edge_time(clicked_at),
        'replied_at', edge_time(replied_at), 'bounced_at', edge_time(bounced_at),
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    edge_base
from emails;
revoke all on edge_source from public, anon, authenticated;
grant select on edge_source to authenticated, service_role, crm_relay;

select secure_table(relation::regclass)
from unnest(array['edge_changes', 'edge_deleted_emails', 'edge_parked', 'edge_entities', 'sync_log', 'edge_conflicts', 'edge_resyncs']) as relation;

comment on view edge_source is 'Every replicated row as its item at the edge holds it: doc is the very text of the item.';
comment on table edge_changes is 'What changed and is not yet confirmed at the edge; rows leave when it is.';
comment on column emails.edge_base is 'Set while the row is as an edit from the edge made it: the version of the item that was edited.';
comment on column emails.orphaned is 'The prospect does not exist, and none has the address: marked by the integrity check.';
comment on column emails.duplicate_of is 'The earliest e-mail with the same message_id: marked by the integrity check.';
