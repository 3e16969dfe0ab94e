-- Tables of workflows. Written by `make schema`: change it by a migration.


create table workflow_executions (
    id                 uuid        primary key default gen_random_uuid(),
    org_id             uuid        not null references organizations (id) on delete cascade,
    instance_id        uuid        not null references workflow_instances (id) on delete cascade,
    status             varchar(50) not null default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'cancelled', 'paused')),
    started_at         timestamptz,
    completed_at       timestamptz,
    paused_at          timestamptz,
    triggered_by       uuid        references user_profiles (id) on delete set null,
    trigger_type       varchar(50) check (trigger_type in ('manual', 'automatic', 'scheduled', 'event', 'api')),
    trigger_event      jsonb,
    current_step_index integer     default 0,
    total_steps        integer     default 0,
    error_message      text,
    error_stack        text,
    retry_count        integer     default 0,
    max_retries        integer     default 3,
    next_retry_at      timestamptz,
    execution_context  jsonb       default '{}',
    created_at         timestamptz default now(),
    updated_at         timestamptz default now(),
    workflow_id        uuid        references workflows (id) on delete cascade,
    version            integer,
    entity_type        text,
    entity_id          uuid,
    event_id           bigint,
    start_key          text,
    depth              integer     not null default 0,
    next_run_at        timestamptz,
    waits_for          text,
    waits_for_id       uuid,
    due_before_pause   timestamptz,
    steps_done         integer     not null default 0
);

comment on table workflow_executions is 'One run of a workflow for one record; next_run_at says when it goes on.';

create index idx_workflow_executions_completed on workflow_executions (completed_at) where completed_at is not null;
create index idx_workflow_executions_due on workflow_executions (workflow_id, next_run_at)
    where next_run_at is not null;
create index idx_workflow_executions_entity on workflow_executions (entity_type, entity_id);
create index idx_workflow_executions_halted on workflow_executions (id)
    where (status in ('completed', 'cancelled', 'paused')) and next_run_at is not null
    or (status in ('completed', 'cancelled')) and waits_for is not null;
create index idx_workflow_executions_instance on workflow_executions (instance_id, status);
create index idx_workflow_executions_listed on workflow_executions (workflow_id, status, created_at desc);
create index idx_workflow_executions_org on workflow_executions (org_id, status, created_at desc);
create index idx_workflow_executions_retry on workflow_executions (next_retry_at) where status = 'failed'
    and retry_count < max_retries;
create unique index idx_workflow_executions_start on workflow_executions (workflow_id, start_key);
create index idx_workflow_executions_unmoved on workflow_executions (instance_id) where next_run_at is null
    and (status in ('pending', 'running'));
create index idx_workflow_executions_waits on workflow_executions (waits_for, waits_for_id) where waits_for is not null;

alter table workflow_executions enable row level security;
create policy authenticated_read on workflow_executions for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on workflow_executions to crm_relay, service_role using (true) with check (true);

grant select on workflow_executions to authenticated;
grant all on workflow_executions to crm_relay, service_role;


create table workflow_steps (
    id             uuid         primary key default gen_random_uuid(),
    execution_id   uuid         not null references workflow_executions (id) on delete cascade,
    state_id       uuid         references workflow_states (id) on delete set null,
    transition_id  uuid         references workflow_transitions (id) on delete set null,
    step_type      varchar(50)  not null
        check (step_type in ('state', 'transition', 'action', 'condition', 'wait', 'approval')),
    step_name      varchar(255),
    step_config    jsonb        not null default '{}',
    "position"     integer      not null,
    status         varchar(50)  not null default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'skipped', 'waiting')),
    started_at     timestamptz,
    completed_at   timestamptz,
    wait_until     timestamptz,
    wait_condition jsonb,
    result         jsonb,
    error_message  text,
    created_at     timestamptz  default now(),
    step_key       text
);

create unique index idx_workflow_steps_once on workflow_steps (execution_id, "position");
create index idx_workflow_steps_waiting on workflow_steps (wait_until) where status = 'waiting';

alter table workflow_steps enable row level security;
create policy authenticated_read on workflow_steps for select to authenticated
    using ((exists (select from workflow_executions run where run.id = workflow_steps.execution_id
        and run.org_id = (select current_org()))));
create policy service_role_all on workflow_steps to crm_relay, service_role using (true) with check (true);

grant select on workflow_steps to authenticated;
grant all on workflow_steps to crm_relay, service_role;


create table workflow_actions (
    id            uuid        primary key default gen_random_uuid(),
    execution_id  uuid        not null references workflow_executions (id) on delete cascade,
    step_id       uuid        references workflow_steps (id) on delete cascade,
    action_type   varchar(50) not null
        check (action_type in ('send_email', 'send_notification', 'create_task', 'create_activity', 'update_field',
            'webhook', 'wait', 'condition', 'assign', 'escalate')),
    action_config jsonb       not null,
    status        varchar(50) not null default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'skipped')),
    scheduled_at  timestamptz,
    started_at    timestamptz,
    completed_at  timestamptz,
    result        jsonb,
    error_message text,
    error_code    varchar(50),
    retry_count   integer     default 0,
    created_at    timestamptz default now()
);

create index idx_workflow_actions_created on workflow_actions using brin (created_at);
create index idx_workflow_actions_execution on workflow_actions (execution_id);
create index idx_workflow_actions_scheduled on workflow_actions (scheduled_at) where status = 'pending'
    and scheduled_at is not null;
create index idx_workflow_actions_step on workflow_actions (step_id);

alter table workflow_actions enable row level security;
create policy authenticated_read on workflow_actions for select to authenticated
    using ((exists (select from workflow_executions run where run.id = workflow_actions.execution_id
        and run.org_id = (select current_org()))));
create policy service_role_all on workflow_actions to crm_relay, service_role using (true) with check (true);

grant select on workflow_actions to authenticated;
grant all on workflow_actions to crm_relay, service_role;


create table workflow_execution_logs (
    id           uuid        primary key default gen_random_uuid(),
    execution_id uuid        not null references workflow_executions (id) on delete cascade,
    step_id      uuid        references workflow_steps (id) on delete cascade,
    action_id    uuid        references workflow_actions (id) on delete cascade,
    level        varchar(20) not null default 'info' check (level in ('debug', 'info', 'warning', 'error')),
    message      text        not null,
    data         jsonb,
    occurred_at  timestamptz default now()
);

create index idx_workflow_execution_logs_execution on workflow_execution_logs (execution_id, occurred_at desc);
create index idx_workflow_execution_logs_level on workflow_execution_logs (level, occurred_at desc)
    where level in ('warning', 'error');
create index idx_workflow_execution_logs_occurred on workflow_execution_logs using brin (occurred_at);

alter table workflow_execution_logs enable row level security;
create policy authenticated_read on workflow_execution_logs for select to authenticated
    using ((exists (select from workflow_executions run where run.id = workflow_execution_logs.execution_id
        and run.org_id = (select current_org()))));
create policy service_role_all on workflow_execution_logs to crm_relay, service_role using (true) with check (true);

grant select on workflow_execution_logs to authenticated;
grant all on workflow_execution_logs to crm_relay, service_role;


create table workflow_webhooks (
    id              uuid        primary key,
    org_id          uuid        not null references organizations (id) on delete cascade,
    execution_id    uuid        not null references workflow_executions (id) on delete cascade,
    action_id       uuid        references workflow_actions (id) on delete cascade,
    url             text        not null,
    host            text        not null,
    method          text        not null,
    headers         jsonb       not null default '{}',
    secret_ref      text,
    body            text        not null,
    state           text        not null default 'waiting'
        check (state in ('waiting', 'sending', 'delivered', 'failed', 'cancelled')),
    is_awaited      boolean     not null default true,
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null,
    leased_until    timestamptz,
    fence           bigint      not null default 0,
    status_code     integer,
    reason          text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    gives_up_at     timestamptz
);

comment on table workflow_webhooks is
    'Requests to other systems, each with a lease and a fence; a step may wait for the answer.';

create index idx_workflow_webhooks_action on workflow_webhooks (action_id) where action_id is not null;
create index idx_workflow_webhooks_due on workflow_webhooks (next_attempt_at) where state in ('waiting', 'sending');
create index idx_workflow_webhooks_execution on workflow_webhooks (execution_id);
create index idx_workflow_webhooks_line on workflow_webhooks (org_id, host, next_attempt_at, id)
    where state in ('waiting', 'sending');
create index idx_workflow_webhooks_newest on workflow_webhooks (org_id, created_at desc, id);
create index idx_workflow_webhooks_sending on workflow_webhooks (org_id, host) where state = 'sending';

alter table workflow_webhooks enable row level security;
create policy service_role_all on workflow_webhooks to crm_relay, service_role using (true) with check (true);

grant all on workflow_webhooks to crm_relay, service_role;


create table workflow_approvals (
    id                uuid         primary key default gen_random_uuid(),
    org_id            uuid         not null references organizations (id) on delete cascade,
    execution_id      uuid         not null references workflow_executions (id) on delete cascade,
    step_id           uuid         references workflow_steps (id) on delete cascade,
    approver_id       uuid         not null references user_profiles (id),
    approver_type     varchar(50)  check (approver_type in ('user', 'role', 'manager', 'owner')),
    approver_role     varchar(100),
    status            varchar(50)  not null default 'pending'
        check (status in ('pending', 'approved', 'rejected', 'delegated', 'escalated', 'expired')),
    requested_at      timestamptz  default now(),
    due_at            timestamptz,
    responded_at      timestamptz,
    response_notes    text,
    delegated_to      uuid         references user_profiles (id) on delete set null,
    delegated_at      timestamptz,
    delegation_reason text,
    escalated_to      uuid         references user_profiles (id) on delete set null,
    escalated_at      timestamptz,
    escalation_reason text,
    sequence_order    integer      default 1,
    is_parallel       boolean      default false,
    created_at        timestamptz  default now(),
    updated_at        timestamptz  default now(),
    title             text,
    message           text,
    requester_id      uuid         references user_profiles (id) on delete set null,
    entries           integer[]    not null default '{0}',
    quorum            integer,
    stands_for        uuid         references user_profiles (id) on delete set null,
    came_by           text         not null default 'self',
    follows           uuid,
    remind_at         timestamptz,
    reminded_at       timestamptz,
    overdue_at        timestamptz,
    expires_at        timestamptz,
    ended_for         text,
    decided_by        uuid         references user_profiles (id) on delete set null,
    decided_by_name   text,
    decided_by_role   text,
    decided_via       text,
    decided_with      text
);

alter table workflow_approvals add constraint workflow_approvals_by_their_approver
    check (decided_by is null or decided_by = approver_id) not valid;
alter table workflow_approvals add constraint workflow_approvals_come_by
    check (came_by in ('self', 'deputy', 'manager', 'owner', 'delegation', 'escalation')) not valid;
alter table workflow_approvals add constraint workflow_approvals_decided_via
    check (decided_via in ('link', 'page', 'api', 'cli')) not valid;
alter table workflow_approvals add constraint workflow_approvals_not_by_the_requester
    check (decided_by is null or requester_id is null or decided_by <> requester_id) not valid;
alter table workflow_approvals add constraint workflow_approvals_say_how_decided
    check ((status not in ('approved', 'rejected')) or responded_at is not null and decided_via is not null
    and decided_by_name is not null) not valid;

comment on column workflow_approvals.came_by is
    'How the approver came to be asked: themselves, as a deputy, manager or owner, or because it was handed on.';

create index idx_workflow_approvals_approver on workflow_approvals (approver_id, status);
create index idx_workflow_approvals_due on workflow_approvals (due_at) where status = 'pending';
create index idx_workflow_approvals_execution on workflow_approvals (execution_id);
create unique index idx_workflow_approvals_pending on workflow_approvals (step_id, approver_id)
    where status = 'pending';
create index idx_workflow_approvals_waiting on workflow_approvals (org_id, requested_at, id) where status = 'pending';

alter table workflow_approvals enable row level security;
create policy authenticated_read on workflow_approvals for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on workflow_approvals to crm_relay, service_role using (true) with check (true);

grant select on workflow_approvals to authenticated;
grant all on workflow_approvals to crm_relay, service_role;


create table workflow_approval_links (
    sha256      text        primary key,
    approval_id uuid        not null references workflow_approvals (id) on delete cascade,
    created_at  timestamptz not null
);

comment on table workflow_approval_links is
    'The links of approvals by the SHA-256 of their token; each opens one approval.';

create index idx_workflow_approval_links_approval on workflow_approval_links (approval_id);

alter table workflow_approval_links enable row level security;
create policy service_role_all on workflow_approval_links to crm_relay, service_role using (true) with check (true);

grant all on workflow_approval_links to crm_relay, service_role;


create table entity_events (
    id          bigint      generated always as identity primary key,
    org_id      uuid        not null,
    entity_type text        not null,
    entity_id   uuid        not null,
    kind        text        not null check (kind in ('created', 'changed', 'event')),
    topic       text        not null,
    changed     jsonb       not null default '{}',
    payload     jsonb,
    actor       uuid,
    origin      text,
    depth       integer     not null default 0,
    cause       uuid,
    event_key   text,
    occurred_at timestamptz not null default clock_timestamp(),
    handled_at  timestamptz,
    attempts    integer     not null default 0,
    not_before  timestamptz
);

comment on table entity_events is
    'What happened to records that a workflow listens to; kept 30 days, so that a draft can be rehearsed.';
comment on column entity_events.depth is
    'How many runs of workflows stand between it and a change that somebody made; `cause` is the last of them.';
comment on column entity_events.not_before is 'When an event whose starts failed is looked at again; null: at once.';

create index idx_entity_events_entity on entity_events (entity_type, entity_id, id);
create unique index idx_entity_events_key on entity_events (org_id, event_key) where event_key is not null;
create index idx_entity_events_occurred on entity_events (occurred_at);
create index idx_entity_events_waiting on entity_events (org_id, entity_type, topic, id) where handled_at is null;

alter table entity_events enable row level security;
create policy authenticated_read on entity_events for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on entity_events to crm_relay, service_role using (true) with check (true);

grant select on entity_events to authenticated;
grant all on entity_events to crm_relay, service_role;


create table workflow_backfills (
    id           uuid        primary key,
    org_id       uuid        not null references organizations (id) on delete cascade,
    workflow_id  uuid        not null references workflows (id) on delete cascade,
    version      integer     not null,
    entity_type  text        not null,
    state        text        not null default 'running' check (state in ('running', 'stopped', 'completed')),
    reason       text,
    after_id     uuid,
    looked_at    bigint      not null default 0,
    started      bigint      not null default 0,
    refused      bigint      not null default 0,
    had_runs     bigint      not null default 0,
    failed       bigint      not null default 0,
    ordered_by   text        not null,
    not_before   timestamptz not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    completed_at timestamptz
);

comment on table workflow_backfills is
    'Starts of a workflow for records that are there already: how far each has come.';

create index idx_workflow_backfills_due on workflow_backfills (not_before) where state = 'running';
create unique index idx_workflow_backfills_open on workflow_backfills (workflow_id) where state <> 'completed';
create index idx_workflow_backfills_workflow on workflow_backfills (workflow_id, created_at desc);

alter table workflow_backfills enable row level security;
create policy service_role_all on workflow_backfills to crm_relay, service_role using (true) with check (true);

grant all on workflow_backfills to crm_relay, service_role;


create table workflow_effects (
    workflow_id uuid    not null references workflows (id) on delete cascade,
    day         date    not null,
    kind        text    not null check (kind in ('emails', 'records')),
    amount      integer not null default 0,
    primary key (workflow_id, day, kind)
) with (fillfactor = 50);

alter table workflow_effects enable row level security;
create policy service_role_all on workflow_effects to crm_relay, service_role using (true) with check (true);

grant all on workflow_effects to crm_relay, service_role;


create table workflow_listeners (
    workflow_id uuid    references workflows (id) on delete cascade,
    org_id      uuid    not null references organizations (id) on delete cascade,
    entity_type text    not null,
    topic       text    not null,
    is_watched  boolean not null default false,
    id          bigint  generated always as identity primary key,
    watched_by  text
);

create unique index idx_workflow_listeners_once on workflow_listeners
    (coalesce(workflow_id, '00000000-0000-0000-0000-000000000000'::uuid), org_id, entity_type, topic, is_watched);
create index idx_workflow_listeners_topic on workflow_listeners (org_id, entity_type, topic);
create index idx_workflow_listeners_workflow on workflow_listeners (workflow_id);

alter table workflow_listeners enable row level security;
create policy service_role_all on workflow_listeners to crm_relay, service_role using (true) with check (true);

grant all on workflow_listeners to crm_relay, service_role;


create table workflow_pace (
    workflow_id  uuid        primary key references workflows (id) on delete cascade,
    next_free_at timestamptz not null
) with (fillfactor = 50);

alter table workflow_pace enable row level security;
create policy service_role_all on workflow_pace to crm_relay, service_role using (true) with check (true);

grant all on workflow_pace to crm_relay, service_role;


create table workflow_recordings (
    org_id      uuid        not null references organizations (id) on delete cascade,
    entity_type text        not null,
    topic       text        not null,
    since       timestamptz not null,
    primary key (org_id, entity_type, topic)
);

comment on table workflow_recordings is
    'Since when the events of a topic are recorded without a gap; no row: they are not.';

alter table workflow_recordings enable row level security;
create policy service_role_all on workflow_recordings to crm_relay, service_role using (true) with check (true);

grant all on workflow_recordings to crm_relay, service_role;


create table workflow_rotations (
    workflow_id  uuid not null references workflows (id) on delete cascade,
    pool         text not null,
    last_user_id uuid,
    primary key (workflow_id, pool)
);

alter table workflow_rotations enable row level security;
create policy service_role_all on workflow_rotations to crm_relay, service_role using (true) with check (true);

grant all on workflow_rotations to crm_relay, service_role;


create table workflow_schedules (
    workflow_id   uuid        not null references workflows (id) on delete cascade,
    trigger_index integer     not null,
    org_id        uuid        not null references organizations (id) on delete cascade,
    next_at       timestamptz not null,
    after_id      uuid,
    primary key (workflow_id, trigger_index)
);

create index idx_workflow_schedules_due on workflow_schedules (next_at);

alter table workflow_schedules enable row level security;
create policy service_role_all on workflow_schedules to crm_relay, service_role using (true) with check (true);

grant all on workflow_schedules to crm_relay, service_role;


create table workflow_start_decisions (
    id           bigint      generated always as identity primary key,
    org_id       uuid        not null references organizations (id) on delete cascade,
    workflow_id  uuid        not null references workflows (id) on delete cascade,
    version      integer,
    event_id     bigint,
    entity_type  text        not null,
    entity_id    uuid        not null,
    verdict      text        not null check (verdict in ('started', 'queued', 'not_started')),
    reason       text,
    explanation  jsonb       not null default '[]',
    execution_id uuid,
    decided_at   timestamptz not null
);

create index idx_workflow_start_decisions_decided on workflow_start_decisions (decided_at);
create index idx_workflow_start_decisions_entity on workflow_start_decisions (entity_type, entity_id, id);
create index idx_workflow_start_decisions_workflow on workflow_start_decisions (workflow_id, id);

alter table workflow_start_decisions enable row level security;
create policy authenticated_read on workflow_start_decisions for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on workflow_start_decisions to crm_relay, service_role using (true) with check (true);

grant select on workflow_start_decisions to authenticated;
grant all on workflow_start_decisions to crm_relay, service_role;


create table workflow_versions (
    workflow_id  uuid        not null references workflows (id) on delete cascade,
    version      integer     not null,
    org_id       uuid        not null references organizations (id) on delete cascade,
    entity_type  text        not null,
    definition   jsonb       not null,
    program      jsonb       not null,
    source_hash  text        not null,
    is_active    boolean     not null default true,
    starts_from  timestamptz not null,
    published_at timestamptz not null,
    published_by text        not null,
    ended_at     timestamptz,
    primary key (workflow_id, version)
);

create unique index idx_workflow_versions_active on workflow_versions (workflow_id) where is_active;
create index idx_workflow_versions_org on workflow_versions (org_id, entity_type) where is_active;

alter table workflow_versions enable row level security;
create policy service_role_all on workflow_versions to crm_relay, service_role using (true) with check (true);

grant all on workflow_versions to crm_relay, service_role;


create table workflow_webhook_hosts (
    org_id      uuid        not null references organizations (id) on delete cascade,
    host        text        not null,
    failures    integer     not null default 0,
    rests_until timestamptz,
    updated_at  timestamptz not null,
    primary key (org_id, host)
) with (fillfactor = 50);

comment on table workflow_webhook_hosts is
    'Hosts that webhooks lead to, by organization: failures in a row, and until when nothing is sent there.';

alter table workflow_webhook_hosts enable row level security;
create policy service_role_all on workflow_webhook_hosts to crm_relay, service_role using (true) with check (true);

grant all on workflow_webhook_hosts to crm_relay, service_role;
