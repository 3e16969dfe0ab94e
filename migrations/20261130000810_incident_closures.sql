-- Who closed an incident by hand.
set local lock_timeout = '5s';

create table if not exists incident_closures (
    id bigint generated always as identity primary key,
    incident_id bigint not null references incidents (id) on delete cascade,
    closed_by text not null,
    closed_at timestamptz not null,
    before jsonb not null
);
create index if not exists idx_incident_closures_incident on incident_closures (incident_id, closed_at desc);

select secure_table('incident_closures', 'exists (
    select from incidents incident
    where incident.id = incident_closures.incident_id and incident.workspace_name = any ((select current_workspace_names())::text[]))');

comment on table incident_closures is 'One line an incident that an operator closed. It may have opened again since.';
comment on column incident_closures.before is 'Title, details and opening as they were then: an incident that opens again overwrites its own.';
