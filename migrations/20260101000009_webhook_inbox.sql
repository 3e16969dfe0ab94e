-- What came in from every provider, kept as it came and once; and what could not be applied at all.
set local lock_timeout = '5s';

create table if not exists webhook_inbox (
    id bigint generated always as identity primary key,
    source text not null,
    workspace_name text,
    dedupe_key text not null,
    headers jsonb not null default '{}',
    body text,
    object_key text,
    received_at timestamptz not null,
    applied_at timestamptz,
    attempts integer not null default 0,
    error text,
    unique (source, dedupe_key),
    check (body is not null or object_key is not null)
);
create index if not exists idx_webhook_inbox_received on webhook_inbox (received_at);
create index if not exists idx_webhook_inbox_unapplied on webhook_inbox (received_at) where applied_at is null;

create table if not exists failed_tasks (
    id bigint generated always as identity primary key,
    source text not null,
    task_key text not null,
    payload text not null,
    failed_at timestamptz not null default now(),
    replayed_at timestamptz,
    error text,
    unique (source, task_key)
);

select secure_table('webhook_inbox');
select secure_table('failed_tasks');

comment on table webhook_inbox is
    'Every verified delivery, raw and once a source; kept INBOX_RETENTION_DAYS. Effects commit in the same transaction.';
comment on column webhook_inbox.headers is 'Only headers of an allow-list: no credentials, no addresses.';
comment on column webhook_inbox.body is 'The exact text that was signed; null where it was too large and lies under object_key.';
comment on table failed_tasks is
    'Messages that were given up by the deferred queue, base64 as they were; crm-relay deferred replay sends them again.';
