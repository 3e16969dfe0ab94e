-- Tables of connections. Written by `make schema`: change it by a migration.


create table integration_connections (
    id                     uuid        primary key default gen_random_uuid(),
    workspace_id           uuid        not null references workspaces (id) on delete cascade,
    integration_type       text        not null,
    credentials            jsonb       default '{}',
    settings               jsonb       default '{}',
    status                 text        default 'active',
    sync_enabled           boolean     default true,
    last_sync_at           timestamptz,
    error_message          text,
    error_count            integer     default 0,
    created_at             timestamptz default now(),
    updated_at             timestamptz default now(),
    label                  text,
    account_label          text,
    sync_frequency_minutes integer     not null default 15,
    next_sync_at           timestamptz not null default now(),
    sync_requested_at      timestamptz,
    held_for               text,
    held_at                timestamptz,
    held_details           jsonb       not null default '{}',
    confirmed_at           timestamptz,
    remove_requested_at    timestamptz,
    shrink_allowed_at      timestamptz,
    probes                 integer     not null default 0,
    leased_until           timestamptz,
    lease                  uuid,
    mailbox_address        text
);

alter table integration_connections add constraint integration_connections_frequency_check
    check (sync_frequency_minutes >= 1 and sync_frequency_minutes <= 44640) not valid;
alter table integration_connections add constraint integration_connections_held_for_check
    check (held_for in ('reconnect', 'preview', 'confirmation', 'billing')) not valid;
alter table integration_connections add constraint integration_connections_status_check
    check (status in ('active', 'paused', 'error', 'disconnected')) not valid;

comment on table integration_connections is
    'Connected accounts of a workspace: settings, state, and when the next sync is due.';
comment on column integration_connections.mailbox_address is
    'Whose mailbox the cursor of a connected mailbox belongs to.';

create index idx_integration_connections_due on integration_connections (next_sync_at)
    where (status in ('active', 'error')) and sync_enabled;
create unique index idx_integration_connections_label on integration_connections (workspace_id, integration_type, label)
    where label is not null and status <> 'disconnected';

alter table integration_connections enable row level security;
create policy authenticated_read on integration_connections for select to authenticated
    using (workspace_id = any ((select current_workspace_ids())::uuid[]));
create policy service_role_all on integration_connections to crm_relay, service_role using (true) with check (true);

grant all on integration_connections to crm_relay, service_role;
grant select (account_label, confirmed_at, created_at, error_count, error_message, held_at, held_details, held_for, id,
    integration_type, label, last_sync_at, next_sync_at, probes, remove_requested_at, settings, shrink_allowed_at,
    status, sync_enabled, sync_frequency_minutes, sync_requested_at, updated_at, workspace_id) on
    integration_connections to authenticated;


create table integration_activity (
    id               uuid         primary key default gen_random_uuid(),
    workspace_id     uuid         not null references workspaces (id) on delete cascade,
    integration_name varchar(50)  not null,
    action           varchar(100) not null,
    success          boolean      not null,
    records_affected integer      default 0,
    error_message    text,
    metadata         jsonb        default '{}',
    created_at       timestamptz  default now(),
    connection_id    uuid         references integration_connections (id) on delete cascade
);

create index idx_integration_activity_created on integration_activity (created_at);
create index idx_integration_activity_newest on integration_activity (workspace_id, created_at desc);

alter table integration_activity enable row level security;
create policy authenticated_read on integration_activity for select to authenticated
    using (workspace_id = any ((select current_workspace_ids())::uuid[]));
create policy service_role_all on integration_activity to crm_relay, service_role using (true) with check (true);

grant select on integration_activity to authenticated;
grant all on integration_activity to crm_relay, service_role;


create table integration_checkpoints (
    connection_id     uuid        not null references integration_connections (id) on delete cascade,
    stream            text        not null,
    cursor            text,
    pass              bigint      not null default 0,
    pass_began_at     timestamptz,
    pass_read         integer     not null default 0,
    completed_at      timestamptz,
    compared          jsonb,
    stopped_reason    text,
    updated_at        timestamptz not null default now(),
    ledger_seen       bigint      not null default 0,
    departures_cursor text,
    primary key (connection_id, stream)
);

comment on column integration_checkpoints.departures_cursor is
    'Who left an audience was read up to here while its records waited for somebody; null: both are at the same place.';

alter table integration_checkpoints enable row level security;
create policy authenticated_read on integration_checkpoints for select to authenticated
    using ((exists (select from integration_connections connection
        where connection.id = integration_checkpoints.connection_id)));
create policy service_role_all on integration_checkpoints to crm_relay, service_role using (true) with check (true);

grant select on integration_checkpoints to authenticated;
grant all on integration_checkpoints to crm_relay, service_role;


create table integration_records (
    connection_id uuid        not null references integration_connections (id) on delete cascade,
    stream        text        not null,
    their_id      text        not null,
    our_id        uuid,
    fields        jsonb       not null default '{}',
    hash          text        not null default '',
    our_version   text,
    seen_in_pass  bigint      not null default 0,
    state         text        check (state in ('gone', 'remove')),
    updated_at    timestamptz not null default now(),
    primary key (connection_id, stream, their_id)
) with (fillfactor = 70);

comment on table integration_records is
    'Which record of a connected account is which of ours, and what both sides held when they last agreed.';

create index idx_integration_records_our_id on integration_records (our_id) where our_id is not null;
create unique index idx_integration_records_ours on integration_records (connection_id, stream, our_id)
    where our_id is not null;
create index idx_integration_records_remove on integration_records (connection_id, stream) where state = 'remove';

alter table integration_records enable row level security;
create policy service_role_all on integration_records to crm_relay, service_role using (true) with check (true);

grant all on integration_records to crm_relay, service_role;


create table integration_rejects (
    connection_id uuid        not null references integration_connections (id) on delete cascade,
    stream        text        not null,
    direction     text        not null check (direction in ('to_external', 'from_external')),
    record_id     text        not null,
    reason        text        not null,
    our_version   text,
    attempts      integer     not null default 1,
    first_at      timestamptz not null default now(),
    last_at       timestamptz not null default now(),
    retry_at      timestamptz not null,
    primary key (connection_id, stream, direction, record_id)
);

comment on table integration_rejects is 'Records that one side refused, with the reason, until they pass.';

alter table integration_rejects enable row level security;
create policy authenticated_read on integration_rejects for select to authenticated
    using ((exists (select from integration_connections connection
        where connection.id = integration_rejects.connection_id)));
create policy service_role_all on integration_rejects to crm_relay, service_role using (true) with check (true);

grant select on integration_rejects to authenticated;
grant all on integration_rejects to crm_relay, service_role;


create table integration_standings (
    connection_id uuid        not null references integration_connections (id) on delete cascade,
    stream        text        not null,
    their_id      text        not null,
    address_key   text        not null,
    standing      text        not null check (standing in ('unsubscribed', 'undeliverable', 'archived', 'leaving')),
    reason        text,
    attempts      integer     not null default 0,
    retry_at      timestamptz,
    changed_at    timestamptz not null default now(),
    primary key (connection_id, stream, their_id)
);

comment on table integration_standings is 'Who left an audience of a connected account, or has to leave it.';

create index idx_integration_standings_address on integration_standings (address_key);
create index idx_integration_standings_leaving on integration_standings (connection_id, stream)
    where standing = 'leaving';

alter table integration_standings enable row level security;
create policy service_role_all on integration_standings to crm_relay, service_role using (true) with check (true);

grant all on integration_standings to crm_relay, service_role;


create table integration_sync_logs (
    id              uuid        primary key default gen_random_uuid(),
    connection_id   uuid        references integration_connections (id) on delete cascade,
    direction       text        not null,
    records_created integer     default 0,
    records_updated integer     default 0,
    records_failed  integer     default 0,
    errors          jsonb       default '[]',
    duration_ms     integer,
    started_at      timestamptz default now(),
    completed_at    timestamptz,
    success         boolean,
    records_synced  integer     not null default 0,
    metadata        jsonb       not null default '{}'
);

create index idx_integration_sync_logs_newest on integration_sync_logs (connection_id, started_at desc);
create index idx_integration_sync_logs_started on integration_sync_logs (started_at);

alter table integration_sync_logs enable row level security;
create policy authenticated_read on integration_sync_logs for select to authenticated
    using ((exists (select from integration_connections connection
        where connection.id = integration_sync_logs.connection_id)));
create policy service_role_all on integration_sync_logs to crm_relay, service_role using (true) with check (true);

grant select on integration_sync_logs to authenticated;
grant all on integration_sync_logs to crm_relay, service_role;


create table integration_unconfirmed (
    connection_id uuid        not null references integration_connections (id) on delete cascade,
    stream        text        not null,
    our_id        uuid        not null,
    sent_address  text,
    fields        jsonb       not null default '{}',
    sent_at       timestamptz not null,
    primary key (connection_id, stream, our_id)
) with (fillfactor = 70);

comment on table integration_unconfirmed is
    'What was sent to connected accounts and not confirmed yet, as keyed hashes.';

create index idx_integration_unconfirmed_address on integration_unconfirmed (connection_id, stream, sent_address)
    where sent_address is not null;

alter table integration_unconfirmed enable row level security;
create policy service_role_all on integration_unconfirmed to crm_relay, service_role using (true) with check (true);

grant all on integration_unconfirmed to crm_relay, service_role;


create table pitches (
    id                 uuid        primary key default gen_random_uuid(),
    workspace_id       uuid        not null references workspaces (id) on delete cascade,
    contact_id         uuid        references contacts (id) on delete set null,
    address            text,
    subject            text        not null default '',
    body_html          text,
    body_text          text,
    status             text        not null default 'draft',
    sent_at            timestamptz,
    external_id        text,
    external_thread_id text,
    external_draft_id  text,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    connection_id      uuid        references integration_connections (id) on delete set null,
    from_address       text,
    message_id         text,
    attempts           integer     not null default 0,
    not_before         timestamptz not null default '-infinity',
    lease              uuid,
    claimed_until      timestamptz,
    left_at            timestamptz,
    reason             text,
    held_for           text,
    cancelled_at       timestamptz,
    erased_at          timestamptz,
    replied_at         timestamptz,
    bounced_at         timestamptz
);

comment on table pitches is
    'Mails that leave by a connected mailbox of a workspace, one by one, and what became of each.';
comment on column pitches.status is
    'draft: its author''s; queued; sending; sent, refused, dry_run, failed or cancelled; unknown: it may have left, see reason.';

create index idx_pitches_address on pitches (normalise_address(address)) where address is not null;
create index idx_pitches_connection on pitches (connection_id) where connection_id is not null;
create index idx_pitches_contact on pitches (contact_id) where contact_id is not null;
create index idx_pitches_due on pitches (workspace_id, not_before) where status in ('queued', 'sending');
create index idx_pitches_left on pitches (from_address, left_at) where left_at is not null;
create index idx_pitches_message on pitches (message_id) where message_id is not null;
create index idx_pitches_parked on pitches (updated_at) where status = 'unknown';
create index idx_pitches_texts on pitches (updated_at)
    where (status in ('sent', 'refused', 'dry_run', 'failed', 'cancelled'))
    and (subject <> '' or body_text is not null or body_html is not null);
create index idx_pitches_thread on pitches (connection_id, external_thread_id) where external_thread_id is not null;
create index idx_pitches_workspace on pitches (workspace_id, status, created_at);

alter table pitches enable row level security;
create policy authenticated_read on pitches for select to authenticated
    using (workspace_id = any ((select current_workspace_ids())::uuid[]));
create policy service_role_all on pitches to crm_relay, service_role using (true) with check (true);

grant select on pitches to authenticated;
grant all on pitches to crm_relay, service_role;


create table integration_keys (
    version       integer     primary key,
    encrypted_key bytea       not null,
    key_name      text        not null,
    created_at    timestamptz not null default now()
);

alter table integration_keys enable row level security;
create policy service_role_all on integration_keys to crm_relay, service_role using (true) with check (true);

grant all on integration_keys to crm_relay, service_role;


create table integration_oauth_states (
    state_hash    text        primary key,
    provider      text        not null,
    workspace_id  uuid        not null references workspaces (id) on delete cascade,
    started_by    text        not null,
    connection_id uuid        references integration_connections (id) on delete cascade,
    label         text,
    settings      jsonb       not null default '{}',
    verifier      bytea,
    key_version   integer     references integration_keys (version),
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    used_at       timestamptz
);

create index idx_integration_oauth_states_expires on integration_oauth_states (expires_at);

alter table integration_oauth_states enable row level security;
create policy service_role_all on integration_oauth_states to crm_relay, service_role using (true) with check (true);

grant all on integration_oauth_states to crm_relay, service_role;


create table integration_secrets (
    connection_id      uuid        primary key references integration_connections (id) on delete cascade,
    ciphertext         bytea       not null,
    key_version        integer     not null references integration_keys (version),
    generation         bigint      not null default 1,
    expires_at         timestamptz,
    refresh_expires_at timestamptz,
    has_refresh_token  boolean     not null default false,
    refreshed_at       timestamptz not null default now(),
    refresh_until      timestamptz,
    lease              uuid,
    refused_generation bigint,
    updated_at         timestamptz not null default now()
) with (fillfactor = 50);

comment on table integration_secrets is 'Tokens and keys of connections, encrypted; no role of a user reads them.';

alter table integration_secrets enable row level security;
create policy service_role_all on integration_secrets to crm_relay, service_role using (true) with check (true);

grant all on integration_secrets to crm_relay, service_role;


create table integration_limits (
    scope      text        primary key,
    next_at    timestamptz not null default now(),
    month      date        not null default date_trunc('month'::text, (now() at time zone 'UTC'::text)),
    used       integer     not null default 0,
    updated_at timestamptz not null default now()
) with (fillfactor = 50);

alter table integration_limits enable row level security;
create policy service_role_all on integration_limits to crm_relay, service_role using (true) with check (true);

grant all on integration_limits to crm_relay, service_role;
