-- Workflows: what is published, what happened in the CRM, which runs it started, and each of their steps and effects.
set local lock_timeout = '5s';
select remember_tables();

-- The draft. What runs is a version of it; `version` is the newest one that was published.
alter table workflows add column if not exists paused_at timestamptz;
alter table workflows add column if not exists paused_reason text;
alter table workflows add column if not exists owner_id uuid references user_profiles (id) on delete set null;
alter table workflows add column if not exists deleted_at timestamptz;

alter table workflow_instances add column if not exists last_started_at timestamptz;
create unique index if not exists idx_workflow_instances_entity on workflow_instances (workflow_id, entity_type, entity_id);

alter table user_profiles add column if not exists out_until timestamptz;
alter table user_profiles add column if not exists deputy_id uuid references user_profiles (id) on delete set null;

-- What was published, for ever: a run keeps its version. `program` is the definition as the engine reads it.
create table if not exists workflow_versions (
    workflow_id uuid not null references workflows (id) on delete cascade,
    version integer not null,
    org_id uuid not null references organizations (id) on delete cascade,
    entity_type text not null,
    definition jsonb not null,
    program jsonb not null,
    -- Of the row of `workflows` that it was made from: a row that was changed by SQL is adopted by the next tick.
    source_hash text not null,
    is_active boolean not null default true,
    -- What happened before that starts nothing.
    starts_from timestamptz not null,
    published_at timestamptz not null,
    published_by text not null,
    ended_at timestamptz,
    primary key (workflow_id, version)
);
create unique index if not exists idx_workflow_versions_active on workflow_versions (workflow_id) where is_active;
create index if not exists idx_workflow_versions_org on workflow_versions (org_id, entity_type) where is_active;

-- What published workflows, runs that wait, and watched drafts listen to. `topic`: a column, '+' for a new row, or
-- 'event:' and a name. The triggers of a table exist only for the columns that stand here.
create table if not exists workflow_listeners (
    workflow_id uuid not null references workflows (id) on delete cascade,
    org_id uuid not null references organizations (id) on delete cascade,
    entity_type text not null,
    topic text not null,
    is_watched boolean not null default false,
    primary key (workflow_id, entity_type, topic, is_watched)
);
create index if not exists idx_workflow_listeners_topic on workflow_listeners (org_id, entity_type, topic);

-- What happened, written in the transaction that did it. No references: an event never makes a change of the CRM fail.
create table if not exists entity_events (
    id bigint generated always as identity primary key,
    org_id uuid not null,
    entity_type text not null,
    entity_id uuid not null,
    kind text not null check (kind in ('created', 'changed', 'event')),
    -- The first column that changed, '+', or 'event:' and its name: events of different topics wait in different lines.
    topic text not null,
    -- {column: [old, new]}; of a named event {}.
    changed jsonb not null default '{}',
    payload jsonb,
    actor uuid,
    origin text,
    depth integer not null default 0,
    cause uuid,
    event_key text,
    occurred_at timestamptz not null default clock_timestamp(),
    handled_at timestamptz
);
create index if not exists idx_entity_events_waiting on entity_events (org_id, entity_type, topic, id) where handled_at is null;
create index if not exists idx_entity_events_entity on entity_events (entity_type, entity_id, id);
create index if not exists idx_entity_events_occurred on entity_events (occurred_at);
create unique index if not exists idx_entity_events_key on entity_events (org_id, event_key) where event_key is not null;

create table if not exists workflow_executions (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    instance_id uuid not null references workflow_instances (id) on delete cascade,
    status varchar(50) not null default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'cancelled', 'paused')),
    started_at timestamptz,
    completed_at timestamptz,
    paused_at timestamptz,
    triggered_by uuid references user_profiles (id) on delete set null,
    trigger_type varchar(50) check (trigger_type in ('manual', 'automatic', 'scheduled', 'event', 'api')),
    trigger_event jsonb,
    current_step_index integer default 0,
    total_steps integer default 0,
    error_message text,
    error_stack text,
    retry_count integer default 0,
    max_retries integer default 3,
    next_retry_at timestamptz,
    execution_context jsonb default '{}',
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
-- The engine's own: which version of what it runs, why it started, and when it goes on.
alter table workflow_executions add column if not exists workflow_id uuid references workflows (id) on delete cascade;
alter table workflow_executions add column if not exists version integer;
alter table workflow_executions add column if not exists entity_type text;
alter table workflow_executions add column if not exists entity_id uuid;
alter table workflow_executions add column if not exists event_id bigint;
-- Its identity for ever: one event, occurrence or request starts a workflow once.
alter table workflow_executions add column if not exists start_key text;
alter table workflow_executions add column if not exists depth integer not null default 0;
-- When it is due; null: over, paused, behind another run of its record, or until `waits_for` comes.
alter table workflow_executions add column if not exists next_run_at timestamptz;
alter table workflow_executions add column if not exists waits_for text;
alter table workflow_executions add column if not exists waits_for_id uuid;
alter table workflow_executions add column if not exists due_before_pause timestamptz;
alter table workflow_executions add column if not exists steps_done integer not null default 0;
create index if not exists idx_workflow_executions_instance on workflow_executions (instance_id, status);
create index if not exists idx_workflow_executions_org on workflow_executions (org_id, status, created_at desc);
create index if not exists idx_workflow_executions_retry on workflow_executions (next_retry_at)
    where status = 'failed' and retry_count < max_retries;
create unique index if not exists idx_workflow_executions_start on workflow_executions (workflow_id, start_key);
create index if not exists idx_workflow_executions_due on workflow_executions (workflow_id, next_run_at)
    where next_run_at is not null;
create index if not exists idx_workflow_executions_waits on workflow_executions (waits_for, waits_for_id)
    where waits_for is not null;
create index if not exists idx_workflow_executions_entity on workflow_executions (entity_type, entity_id);

create table if not exists workflow_steps (
    id uuid primary key default gen_random_uuid(),
    execution_id uuid not null references workflow_executions (id) on delete cascade,
    state_id uuid references workflow_states (id) on delete set null,
    transition_id uuid references workflow_transitions (id) on delete set null,
    step_type varchar(50) not null check (step_type in ('state', 'transition', 'action', 'condition', 'wait', 'approval')),
    step_name varchar(255),
    step_config jsonb not null default '{}',
    position integer not null,
    status varchar(50) not null default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'skipped', 'waiting')),
    started_at timestamptz,
    completed_at timestamptz,
    wait_until timestamptz,
    wait_condition jsonb,
    result jsonb,
    error_message text,
    created_at timestamptz default now()
);
-- Where it stands in the program, such as '2.then.0'. `position` counts the steps of a run in the order they were taken.
alter table workflow_steps add column if not exists step_key text;
create unique index if not exists idx_workflow_steps_once on workflow_steps (execution_id, position);
create index if not exists idx_workflow_steps_waiting on workflow_steps (wait_until) where status = 'waiting';

create table if not exists workflow_actions (
    id uuid primary key default gen_random_uuid(),
    execution_id uuid not null references workflow_executions (id) on delete cascade,
    step_id uuid references workflow_steps (id) on delete cascade,
    action_type varchar(50) not null check (action_type in (
        'send_email', 'send_notification', 'create_task', 'create_activity', 'update_field', 'webhook', 'wait', 'condition',
        'assign', 'escalate'
    )),
    action_config jsonb not null,
    status varchar(50) not null default 'pending' check (status in ('pending', 'running', 'completed', 'failed', 'skipped')),
    scheduled_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    result jsonb,
    error_message text,
    error_code varchar(50),
    retry_count integer default 0,
    created_at timestamptz default now()
);
create index if not exists idx_workflow_actions_execution on workflow_actions (execution_id);
create index if not exists idx_workflow_actions_step on workflow_actions (step_id);
create index if not exists idx_workflow_actions_scheduled on workflow_actions (scheduled_at)
    where status = 'pending' and scheduled_at is not null;

create table if not exists workflow_approvals (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    execution_id uuid not null references workflow_executions (id) on delete cascade,
    step_id uuid references workflow_steps (id) on delete cascade,
    approver_id uuid not null references user_profiles (id),
    approver_type varchar(50) check (approver_type in ('user', 'role', 'manager', 'owner')),
    approver_role varchar(100),
    status varchar(50) not null default 'pending'
        check (status in ('pending', 'approved', 'rejected', 'delegated', 'escalated', 'expired')),
    requested_at timestamptz default now(),
    due_at timestamptz,
    responded_at timestamptz,
    response_notes text,
    delegated_to uuid references user_profiles (id) on delete set null,
    delegated_at timestamptz,
    delegation_reason text,
    escalated_to uuid references user_profiles (id) on delete set null,
    escalated_at timestamptz,
    escalation_reason text,
    sequence_order integer default 1,
    is_parallel boolean default false,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create index if not exists idx_workflow_approvals_execution on workflow_approvals (execution_id);
create index if not exists idx_workflow_approvals_approver on workflow_approvals (approver_id, status);
create index if not exists idx_workflow_approvals_due on workflow_approvals (due_at) where status = 'pending';

create table if not exists workflow_execution_logs (
    id uuid primary key default gen_random_uuid(),
    execution_id uuid not null references workflow_executions (id) on delete cascade,
    step_id uuid references workflow_steps (id) on delete cascade,
    action_id uuid references workflow_actions (id) on delete cascade,
    level varchar(20) not null default 'info' check (level in ('debug', 'info', 'warning', 'error')),
    message text not null,
    data jsonb,
    occurred_at timestamptz default now()
);
create index if not exists idx_workflow_execution_logs_execution on workflow_execution_logs (execution_id, occurred_at desc);
create index if not exists idx_workflow_execution_logs_level on workflow_execution_logs (level, occurred_at desc)
    where level in ('warning', 'error');

-- Why an event started a workflow or did not: the first gate that refused, with the values that it saw.
create table if not exists workflow_start_decisions (
    id bigint generated always as identity primary key,
    org_id uuid not null references organizations (id) on delete cascade,
    workflow_id uuid not null references workflows (id) on delete cascade,
    version integer,
    event_id bigint,
    entity_type text not null,
    entity_id uuid not null,
    verdict text not null check (verdict in ('started', 'queued', 'not_started')),
    reason text,
    explanation jsonb not null default '[]',
    execution_id uuid,
    decided_at timestamptz not null
);
create index if not exists idx_workflow_start_decisions_entity on workflow_start_decisions (entity_type, entity_id, id);
create index if not exists idx_workflow_start_decisions_workflow on workflow_start_decisions (workflow_id, id);
create index if not exists idx_workflow_start_decisions_decided on workflow_start_decisions (decided_at);

-- When a scheduled trigger is due next; `trigger_index` is its place among the triggers of the version.
create table if not exists workflow_schedules (
    workflow_id uuid not null references workflows (id) on delete cascade,
    trigger_index integer not null,
    org_id uuid not null references organizations (id) on delete cascade,
    next_at timestamptz not null,
    -- Of the occurrence that is being started: records up to it have their run.
    after_id uuid,
    primary key (workflow_id, trigger_index)
);
create index if not exists idx_workflow_schedules_due on workflow_schedules (next_at);

-- The pace of starts: the next free place in the bucket of a workflow.
create table if not exists workflow_pace (
    workflow_id uuid primary key references workflows (id) on delete cascade,
    next_free_at timestamptz not null
) with (fillfactor = 50);

-- What a workflow has done on a day, held against its effect budget.
create table if not exists workflow_effects (
    workflow_id uuid not null references workflows (id) on delete cascade,
    day date not null,
    kind text not null check (kind in ('emails', 'records')),
    amount integer not null default 0,
    primary key (workflow_id, day, kind)
) with (fillfactor = 50);

-- Who was assigned last in a pool; `pool` is the key of the step.
create table if not exists workflow_rotations (
    workflow_id uuid not null references workflows (id) on delete cascade,
    pool text not null,
    last_user_id uuid,
    primary key (workflow_id, pool)
);

-- Requests to other systems: committed with their step, sent behind the commit. `id` is their identity for the receiver.
create table if not exists workflow_webhooks (
    id uuid primary key,
    org_id uuid not null references organizations (id) on delete cascade,
    execution_id uuid not null references workflow_executions (id) on delete cascade,
    action_id uuid references workflow_actions (id) on delete cascade,
    url text not null,
    host text not null,
    method text not null,
    -- Values may be references such as 'secret:crm'; never a secret itself.
    headers jsonb not null default '{}',
    secret_ref text,
    body text not null,
    state text not null default 'waiting' check (state in ('waiting', 'sending', 'delivered', 'failed', 'cancelled')),
    is_awaited boolean not null default true,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    leased_until timestamptz,
    -- Counts the leases: whoever records an outcome shows the number that it was given.
    fence bigint not null default 0,
    status_code integer,
    reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index if not exists idx_workflow_webhooks_due on workflow_webhooks (next_attempt_at)
    where state in ('waiting', 'sending');
create index if not exists idx_workflow_webhooks_execution on workflow_webhooks (execution_id);

select secure_new_table(relation::regclass, 'org_id = (select current_org())')
from unnest(array[
    'workflow_versions', 'workflow_executions', 'workflow_approvals', 'workflow_start_decisions', 'entity_events'
]) as relation;
select secure_new_table(relation::regclass, format(
    'exists (select from workflow_executions run where run.id = %s.execution_id and run.org_id = (select current_org()))', relation
))
from unnest(array['workflow_steps', 'workflow_actions', 'workflow_execution_logs']) as relation;
select secure_new_table(relation::regclass)
from unnest(array[
    'workflow_listeners', 'workflow_schedules', 'workflow_pace', 'workflow_effects', 'workflow_rotations', 'workflow_webhooks'
]) as relation;

comment on table entity_events is 'What happened to records that a workflow listens to; kept 30 days, so that a draft can be rehearsed.';
comment on table workflow_executions is 'One run of a workflow for one record; next_run_at says when it goes on.';
comment on table workflow_webhooks is 'Requests to other systems, each with a lease and a fence; a step may wait for the answer.';
