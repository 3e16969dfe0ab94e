-- Tables of edge_cache. Written by `make schema`: change it by a migration.


create sequence edge_versions start with 2;
grant all on sequence edge_versions to crm_relay, service_role;


create table edge_changes (
    seq        bigint      generated always as identity primary key,
    entity     text        not null,
    id         uuid        not null,
    version    bigint      not null,
    is_deleted boolean     not null default false,
    noted_at   timestamptz not null default now()
);

comment on table edge_changes is 'What changed and is not yet confirmed at the edge; rows leave when it is.';

alter table edge_changes enable row level security;
create policy service_role_all on edge_changes to crm_relay, service_role using (true) with check (true);

grant all on edge_changes to crm_relay, service_role;


create table edge_conflicts (
    id              bigint      generated always as identity primary key,
    entity          text        not null,
    row_id          uuid        not null,
    postgres_doc    jsonb,
    edge_doc        jsonb,
    postgres_at     timestamptz,
    edge_at         timestamptz,
    edge_edits      integer     not null default 0,
    differing       text[]      not null default '{}',
    winner          text        not null check (winner in ('postgres', 'edge')),
    rule            text        not null,
    decided_at      timestamptz not null default now(),
    reverted_at     timestamptz,
    reverted_by     text,
    reverted_before jsonb,
    reverted_after  jsonb
);

comment on column edge_conflicts.reverted_before is
    'The fields that a revert changed, as they were; null also where there was no row.';
comment on column edge_conflicts.reverted_after is 'The same fields as the revert wrote them.';

create unique index idx_edge_conflicts_edit on edge_conflicts (entity, row_id, edge_edits, edge_at);
create index idx_edge_conflicts_open on edge_conflicts (id desc) where reverted_at is null;

alter table edge_conflicts enable row level security;
create policy service_role_all on edge_conflicts to crm_relay, service_role using (true) with check (true);

grant all on edge_conflicts to crm_relay, service_role;


create table edge_deleted_emails (
    id         uuid        primary key,
    deleted_at timestamptz not null default now()
);

alter table edge_deleted_emails enable row level security;
create policy service_role_all on edge_deleted_emails to crm_relay, service_role using (true) with check (true);

grant all on edge_deleted_emails to crm_relay, service_role;


create table edge_entities (
    entity               text        primary key,
    known_rows           bigint      not null default 0,
    counted_at           timestamptz,
    blocked_at           timestamptz,
    shrink_allowed_until timestamptz
);

alter table edge_entities enable row level security;
create policy service_role_all on edge_entities to crm_relay, service_role using (true) with check (true);

grant all on edge_entities to crm_relay, service_role;


create table edge_parked (
    direction text        not null check (direction in ('to_cache', 'to_postgres')),
    entity    text        not null,
    id        uuid        not null,
    reason    text        not null,
    attempts  integer     not null default 1,
    parked_at timestamptz not null default now(),
    retry_at  timestamptz,
    primary key (direction, entity, id)
);

alter table edge_parked enable row level security;
create policy service_role_all on edge_parked to crm_relay, service_role using (true) with check (true);

grant all on edge_parked to crm_relay, service_role;


create table edge_resyncs (
    id          bigint      generated always as identity primary key,
    entity      text        not null,
    generation  bigint      not null,
    clears      boolean     not null default true,
    phase       text        not null default 'write' check (phase in ('write', 'look', 'sweep', 'done', 'stopped')),
    after_id    uuid,
    next_bucket integer     not null default 0,
    total       bigint,
    written     bigint      not null default 0,
    doomed      bigint      not null default 0,
    swept       bigint      not null default 0,
    ordered_by  text        not null,
    started_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    finished_at timestamptz,
    error       text
);

create unique index idx_edge_resyncs_running on edge_resyncs (entity) where finished_at is null;

alter table edge_resyncs enable row level security;
create policy service_role_all on edge_resyncs to crm_relay, service_role using (true) with check (true);

grant all on edge_resyncs to crm_relay, service_role;


create table sync_log (
    id              bigint      generated always as identity primary key,
    direction       text        not null check (direction in ('to_cache', 'to_postgres', 'resync')),
    entity          text,
    ordered_by      text        not null default 'schedule',
    started_at      timestamptz not null,
    finished_at     timestamptz,
    read_count      integer     not null default 0,
    written_count   integer     not null default 0,
    unchanged_count integer     not null default 0,
    deleted_count   integer     not null default 0,
    parked_count    integer     not null default 0,
    conflict_count  integer     not null default 0,
    pending_count   integer,
    status          text        not null default 'running'
        check (status in ('running', 'success', 'stopped', 'failed')),
    error           text
);

create index idx_sync_log_direction on sync_log (direction, id desc);
create index idx_sync_log_started on sync_log (started_at);

alter table sync_log enable row level security;
create policy service_role_all on sync_log to crm_relay, service_role using (true) with check (true);

grant all on sync_log to crm_relay, service_role;
