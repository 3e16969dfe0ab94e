-- A backfill starts a published workflow for the records that are there already, page by page, each once.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists workflow_backfills (
    id uuid primary key,
    org_id uuid not null references organizations (id) on delete cascade,
    workflow_id uuid not null references workflows (id) on delete cascade,
    version integer not null,
    entity_type text not null,
    state text not null default 'running' check (state in ('running', 'stopped', 'completed')),
    -- Why it was stopped; null: it was not.
    reason text,
    -- Records up to it were looked at; null: none was.
    after_id uuid,
    looked_at bigint not null default 0,
    started bigint not null default 0,
    refused bigint not null default 0,
    had_runs bigint not null default 0,
    failed bigint not null default 0,
    ordered_by text not null,
    -- When the pace lets the next page begin.
    not_before timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    completed_at timestamptz
);
create unique index if not exists idx_workflow_backfills_open on workflow_backfills (workflow_id) where state <> 'completed';
create index if not exists idx_workflow_backfills_due on workflow_backfills (not_before) where state = 'running';
create index if not exists idx_workflow_backfills_workflow on workflow_backfills (workflow_id, created_at desc);

select secure_new_table('workflow_backfills'::regclass);
comment on table workflow_backfills is 'Starts of a workflow for records that are there already: how far each has come.';
