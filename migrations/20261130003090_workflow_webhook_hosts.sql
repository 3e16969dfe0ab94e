-- How each host that webhooks lead to has answered lately, so that all workers let a failing one rest.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists workflow_webhook_hosts (
    org_id uuid not null references organizations (id) on delete cascade,
    host text not null,
    -- In a row; from a number of them on, one request at a time asks whether the host is back.
    failures integer not null default 0,
    rests_until timestamptz,
    updated_at timestamptz not null,
    primary key (org_id, host)
) with (fillfactor = 50);
comment on table workflow_webhook_hosts is 'Hosts that webhooks lead to, by organization: failures in a row, and until when nothing is sent there.';

-- Until when a webhook is tried while its host does not answer; null: some days from its creation.
alter table workflow_webhooks add column if not exists gives_up_at timestamptz;
create index if not exists idx_workflow_webhooks_line on workflow_webhooks (org_id, host, next_attempt_at, id)
    where state in ('waiting', 'sending');
create index if not exists idx_workflow_webhooks_sending on workflow_webhooks (org_id, host) where state = 'sending';
create index if not exists idx_workflow_webhooks_newest on workflow_webhooks (org_id, created_at desc, id);

select secure_new_table('workflow_webhook_hosts');
