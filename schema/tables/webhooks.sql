-- Tables of webhooks. Written by `make schema`: change it by a migration.


create table failed_tasks (
    id          bigint      generated always as identity primary key,
    source      text        not null,
    task_key    text        not null,
    payload     text        not null,
    failed_at   timestamptz not null default now(),
    replayed_at timestamptz,
    error       text,
    redacted_at timestamptz,
    unique (source, task_key)
);

comment on table failed_tasks is
    'Messages that were given up by the deferred queue, base64 as they were; crm-relay deferred replay sends them again.';
comment on column failed_tasks.redacted_at is 'When the events of an erased person were cut out of the payload.';

alter table failed_tasks enable row level security;
create policy service_role_all on failed_tasks to crm_relay, service_role using (true) with check (true);

grant all on failed_tasks to crm_relay, service_role;


create table webhook_delivery_log (
    id                 bigint      generated always as identity primary key,
    event_type         text        not null,
    workspace_name     text,
    success            boolean     not null,
    error_message      text,
    processing_time_ms integer,
    created_at         timestamptz not null default now(),
    inbox_id           bigint,
    origin             text        not null default 'webhook',
    event_key          text,
    is_first           boolean     not null default false,
    metric             text,
    amount             integer     not null default 0,
    occurred_at        timestamptz,
    sender_email_id    bigint,
    lead_id            bigint
);

comment on table webhook_delivery_log is
    'Every delivery of EmailBison, one row an attempt; counters are sums of amount.';
comment on column webhook_delivery_log.workspace_name is
    'The workspace''s key: the first name that it had, which no rename changes.';
comment on column webhook_delivery_log.processing_time_ms is
    'From the arrival at the function until this row was written, within the transaction that applies the delivery.';
comment on column webhook_delivery_log.origin is
    'webhook; deferred (came while the database was away); replay; polled (never came, found by comparing totals); manual.';
comment on column webhook_delivery_log.sender_email_id is
    'The account; of an event that names none, the one whose total in EmailBison it explains.';

create index idx_webhook_log_counted on webhook_delivery_log (workspace_name, occurred_at) where amount <> 0;
create index idx_webhook_log_created on webhook_delivery_log (created_at desc);
create index idx_webhook_log_event on webhook_delivery_log (event_type, created_at desc);
create index idx_webhook_log_failed on webhook_delivery_log (created_at desc) where not success;
create index idx_webhook_log_filled on webhook_delivery_log (workspace_name, sender_email_id, metric)
    where origin = 'polled' and amount <> 0;
create index idx_webhook_log_lead on webhook_delivery_log (workspace_name, lead_id) where lead_id is not null;
create unique index idx_webhook_log_once on webhook_delivery_log (workspace_name, event_key) where is_first;
create index idx_webhook_log_slow on webhook_delivery_log (processing_time_ms desc) where processing_time_ms >= 100;
create index idx_webhook_log_workspace on webhook_delivery_log (workspace_name, created_at desc);

alter table webhook_delivery_log enable row level security;
create policy authenticated_read on webhook_delivery_log for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on webhook_delivery_log to crm_relay, service_role using (true) with check (true);

grant select on webhook_delivery_log to authenticated;
grant all on webhook_delivery_log to crm_relay, service_role;


create table webhook_delivery_slots (
    workspace_name text        not null,
    slot           timestamptz not null,
    deliveries     integer     not null default 0,
    successes      integer     not null default 0,
    last_at        timestamptz not null,
    primary key (workspace_name, slot)
) with (fillfactor = 50);

create index idx_webhook_slots_slot on webhook_delivery_slots (slot);

alter table webhook_delivery_slots enable row level security;
create policy authenticated_read on webhook_delivery_slots for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on webhook_delivery_slots to crm_relay, service_role using (true) with check (true);

grant select on webhook_delivery_slots to authenticated;
grant all on webhook_delivery_slots to crm_relay, service_role;


create table webhook_inbox (
    id             bigint      generated always as identity primary key,
    source         text        not null,
    workspace_name text,
    dedupe_key     text        not null,
    headers        jsonb       not null default '{}',
    body           text,
    object_key     text,
    received_at    timestamptz not null,
    applied_at     timestamptz,
    attempts       integer     not null default 0,
    error          text,
    redacted_at    timestamptz,
    unique (source, dedupe_key),
    constraint webhook_inbox_check check (body is not null or object_key is not null)
);

comment on table webhook_inbox is
    'Every verified delivery, raw and once a source; kept INBOX_RETENTION_DAYS. Effects commit in the same transaction.';
comment on column webhook_inbox.headers is 'Only headers of an allow-list: no credentials, no addresses.';
comment on column webhook_inbox.body is
    'The exact text that was signed; null where it was too large and lies under object_key.';
comment on column webhook_inbox.redacted_at is 'When the events of an erased person were cut out of the body.';

create index idx_webhook_inbox_received on webhook_inbox (received_at);
create index idx_webhook_inbox_unapplied on webhook_inbox (received_at) where applied_at is null;

alter table webhook_inbox enable row level security;
create policy service_role_all on webhook_inbox to crm_relay, service_role using (true) with check (true);

grant all on webhook_inbox to crm_relay, service_role;


create table webhook_rejections (
    source   text        not null,
    claimed  text        not null,
    in_a_row integer     not null default 0,
    last_at  timestamptz not null,
    primary key (source, claimed)
) with (fillfactor = 50);

alter table webhook_rejections enable row level security;
create policy service_role_all on webhook_rejections to crm_relay, service_role using (true) with check (true);

grant all on webhook_rejections to crm_relay, service_role;
