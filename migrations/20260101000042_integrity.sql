-- What the integrity checks found, what they changed, and how to take that back.
set local lock_timeout = '5s';

-- One row a run; `counts` holds what each check found and did.
create table if not exists integrity_runs (
    id bigint generated always as identity primary key,
    ordered_by text not null default 'schedule',
    is_full boolean not null default false,
    is_fix boolean not null default false,
    started_at timestamptz not null,
    finished_at timestamptz,
    status text not null default 'running' check (status in ('running', 'success', 'stopped', 'failed')),
    counts jsonb not null default '{}',
    items_read bigint not null default 0,
    error text
);

-- What is wrong, by ids and rules; never a person's data. A finding is known by its check and row until it is closed.
create table if not exists integrity_findings (
    id bigint generated always as identity primary key,
    run_id bigint not null,
    check_name text not null,
    entity text not null,
    row_id text not null,
    what text not null,
    details jsonb not null default '{}',
    status text not null default 'open' check (status in ('open', 'fixed', 'needs_approval', 'parked', 'gone')),
    found_at timestamptz not null,
    seen_at timestamptz not null,
    closed_at timestamptz
);
create unique index if not exists idx_integrity_findings_standing
    on integrity_findings (check_name, entity, row_id) where status in ('open', 'needs_approval', 'parked');

-- What was changed, written with the change itself. `before` and `after` hold the columns that differ; of an item at the edge
-- `before` holds all of it, since that is what would be put back. `applied_at` is null until the edge has confirmed.
create table if not exists integrity_fixes (
    id bigint generated always as identity primary key,
    run_id bigint not null,
    finding_id bigint not null,
    check_name text not null,
    entity text not null,
    row_id text not null,
    action text not null,
    before jsonb,
    after jsonb,
    fixed_at timestamptz not null,
    fixed_by text not null,
    applied_at timestamptz,
    reverted_at timestamptz,
    reverted_by text
);
create index if not exists idx_integrity_fixes_run on integrity_fixes (run_id);
create index if not exists idx_integrity_fixes_row on integrity_fixes (check_name, entity, row_id);

-- Who answered: found by the address without reading every e-mail.
create index if not exists idx_emails_inbound_from on emails (normalise_address(from_email)) where direction = 'inbound';

-- A row that has to reach the edge anew gets a new version, and nothing else of it changes: also not when it was written last.
create or replace function edge_touch(entity text, ids uuid[]) returns table (id uuid, version bigint)
language plpgsql
as $$
begin
    if entity not in ('prospects', 'campaigns', 'mailboxes', 'emails') then
        raise exception 'not replicated: %', entity using errcode = '22023';
    end if;
    -- Any word but "on": the change is noted, and updated_at is left alone.
    perform set_config('app.edge_sync', 'quiet', true);
    return query execute format(
        'update %I known set id = known.id where known.id = any ($1) returning known.id, known.sync_version', entity
    ) using ids;
    perform set_config('app.edge_sync', '', true);
end
$$;
revoke all on function edge_touch(text, uuid[]) from public, anon, authenticated;
grant execute on function edge_touch(text, uuid[]) to service_role, crm_relay;

-- After a restore from a backup the edge may be ahead of the sequence; then nothing that is written would be taken there.
grant update on sequence edge_versions to service_role, crm_relay;

select secure_table(relation::regclass)
from unnest(array['integrity_runs', 'integrity_findings', 'integrity_fixes']) as relation;

comment on table integrity_runs is 'One row a run of integrity_check: what each check found and what was done about it.';
comment on table integrity_findings is
    'What a check found. open: nothing was done yet; needs_approval: too much at once; parked: for a person; gone: it healed.';
comment on table integrity_fixes is 'Every automatic change with what was there before; crm-relay integrity revert takes it back.';
