-- Tables of incidents. Written by `make schema`: change it by a migration.


create table incidents (
    id               bigint      generated always as identity primary key,
    kind             text        not null,
    subject          text        not null,
    workspace_name   text,
    title            text        not null,
    details          jsonb       not null default '{}',
    opened_at        timestamptz not null,
    closed_at        timestamptz,
    told_open_at     timestamptz,
    told_closed_at   timestamptz,
    claimed_until    timestamptz,
    attempts         integer     not null default 0,
    taken_by         text[]      not null default '{}',
    opening_taken_by text[],
    snoozed_until    timestamptz,
    snoozed_by       text,
    constraint incidents_told_closed_once_closed check (told_closed_at is null or closed_at is not null)
);

comment on table incidents is
    'One row an incident. Open while closed_at is null; its recovery is told once it has held for a quiet time.';
comment on column incidents.subject is 'What is concerned, unique within its kind in the whole installation.';
comment on column incidents.told_closed_at is
    'When its recovery was told. An incident that closed before anybody heard of it has both stamps and was never told.';
comment on column incidents.claimed_until is 'Until when somebody is telling it; past that, that somebody died.';
comment on column incidents.attempts is 'How often telling was tried in vain since it last succeeded.';
comment on column incidents.taken_by is
    'Channels that took the message which others still lack; empty once it counts as told.';
comment on column incidents.opening_taken_by is
    'Of one that closed before every channel had its opening: those that had. Null: no channel is owed the opening.';
comment on column incidents.snoozed_until is 'Until then an operator has put it off; null: it is not put off.';
comment on column incidents.snoozed_by is 'The name of the token that put it off.';

create unique index idx_incidents_one_at_a_time on incidents (kind, subject) where told_closed_at is null;
create index idx_incidents_workspace on incidents (workspace_name, opened_at);

alter table incidents enable row level security;
create policy authenticated_read on incidents for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on incidents to crm_relay, service_role using (true) with check (true);

grant select on incidents to authenticated;
grant all on incidents to crm_relay, service_role;


create table incident_closures (
    id          bigint      generated always as identity primary key,
    incident_id bigint      not null references incidents (id) on delete cascade,
    closed_by   text        not null,
    closed_at   timestamptz not null,
    before      jsonb       not null
);

comment on table incident_closures is 'One line an incident that an operator closed. It may have opened again since.';
comment on column incident_closures.before is
    'Title, details and opening as they were then: an incident that opens again overwrites its own.';

create index idx_incident_closures_incident on incident_closures (incident_id, closed_at desc);

alter table incident_closures enable row level security;
create policy authenticated_read on incident_closures for select to authenticated
    using ((exists (select from incidents incident where incident.id = incident_closures.incident_id
        and (incident.workspace_name = any ((select current_workspace_names())::text[])))));
create policy service_role_all on incident_closures to crm_relay, service_role using (true) with check (true);

grant select on incident_closures to authenticated;
grant all on incident_closures to crm_relay, service_role;
