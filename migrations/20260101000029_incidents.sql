-- What is wrong at this moment, and who was told of it: one alert an incident, closed by recovery.
set local lock_timeout = '5s';

create table if not exists incidents (
    id bigint generated always as identity primary key,
    kind text not null,
    subject text not null,
    workspace_name text,
    title text not null,
    details jsonb not null default '{}',
    opened_at timestamptz not null,
    closed_at timestamptz,
    told_open_at timestamptz,
    told_closed_at timestamptz,
    claimed_until timestamptz,
    attempts integer not null default 0,
    taken_by text[] not null default '{}',
    constraint incidents_told_closed_once_closed check (told_closed_at is null or closed_at is not null)
);

-- Wider than "one open incident a subject": until its recovery was told an incident may continue. So whoever opens meets it
-- here, as one atomic insert or update, and no race can make a second one.
create unique index if not exists idx_incidents_one_at_a_time on incidents (kind, subject) where told_closed_at is null;
create index if not exists idx_incidents_workspace on incidents (workspace_name, opened_at);

-- The names of the workspaces whose member is asking, for tables that carry a name instead of an id.
create or replace function current_workspace_names() returns text[]
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(array_agg(workspaces.name), '{}')
    from workspace_members
    join workspaces on workspaces.id = workspace_members.workspace_id
    where workspace_members.user_id = current_user_id()
$$;

select secure_table('incidents', 'workspace_name = any ((select current_workspace_names())::text[])');

comment on table incidents is
    'One row an incident. Open while closed_at is null; its recovery is told once it has held for a quiet time.';
comment on column incidents.subject is 'What is concerned, unique within its kind in the whole installation.';
comment on column incidents.told_closed_at is
    'When its recovery was told. An incident that closed before anybody heard of it has both stamps and was never told.';
comment on column incidents.claimed_until is 'Until when somebody is telling it; past that, that somebody died.';
comment on column incidents.attempts is 'How often telling was tried in vain since it last succeeded.';
comment on column incidents.taken_by is 'Channels that took the message which others still lack; empty once it counts as told.';
