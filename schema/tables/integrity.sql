-- Tables of integrity. Written by `make schema`: change it by a migration.


create table integrity_findings (
    id         bigint      generated always as identity primary key,
    run_id     bigint      not null,
    check_name text        not null,
    entity     text        not null,
    row_id     text        not null,
    what       text        not null,
    details    jsonb       not null default '{}',
    status     text        not null default 'open'
        check (status in ('open', 'fixed', 'needs_approval', 'parked', 'gone')),
    found_at   timestamptz not null,
    seen_at    timestamptz not null,
    closed_at  timestamptz
);

comment on table integrity_findings is
    'What a check found. open: nothing was done yet; needs_approval: too much at once; parked: for a person; gone: it healed.';

create unique index idx_integrity_findings_standing on integrity_findings (check_name, entity, row_id)
    where status in ('open', 'needs_approval', 'parked');

alter table integrity_findings enable row level security;
create policy service_role_all on integrity_findings to crm_relay, service_role using (true) with check (true);

grant all on integrity_findings to crm_relay, service_role;


create table integrity_fixes (
    id          bigint      generated always as identity primary key,
    run_id      bigint      not null,
    finding_id  bigint      not null,
    check_name  text        not null,
    entity      text        not null,
    row_id      text        not null,
    action      text        not null,
    before      jsonb,
    after       jsonb,
    fixed_at    timestamptz not null,
    fixed_by    text        not null,
    applied_at  timestamptz,
    reverted_at timestamptz,
    reverted_by text
);

comment on table integrity_fixes is
    'Every automatic change with what was there before; crm-relay integrity revert takes it back.';

create index idx_integrity_fixes_row on integrity_fixes (check_name, entity, row_id);
create index idx_integrity_fixes_run on integrity_fixes (run_id);

alter table integrity_fixes enable row level security;
create policy service_role_all on integrity_fixes to crm_relay, service_role using (true) with check (true);

grant all on integrity_fixes to crm_relay, service_role;


create table integrity_runs (
    id          bigint      generated always as identity primary key,
    ordered_by  text        not null default 'schedule',
    is_full     boolean     not null default false,
    is_fix      boolean     not null default false,
    started_at  timestamptz not null,
    finished_at timestamptz,
    status      text        not null default 'running' check (status in ('running', 'success', 'stopped', 'failed')),
    counts      jsonb       not null default '{}',
    items_read  bigint      not null default 0,
    error       text
);

comment on table integrity_runs is
    'One row a run of integrity_check: what each check found and what was done about it.';

alter table integrity_runs enable row level security;
create policy service_role_all on integrity_runs to crm_relay, service_role using (true) with check (true);

grant all on integrity_runs to crm_relay, service_role;
