-- Tables of mail. Written by `make schema`: change it by a migration.


create table email_batches (
    id               uuid        primary key default gen_random_uuid(),
    org_id           uuid        not null references organizations (id) on delete cascade,
    purpose          text        not null default 'campaign',
    state            text        not null default 'queued' check (state in ('queued', 'sending', 'done', 'unknown')),
    generation       integer     not null default 1,
    payload          text,
    attempts         integer     not null default 0,
    first_attempt_at timestamptz,
    not_before       timestamptz not null,
    claimed_until    timestamptz,
    problem          text,
    created_at       timestamptz not null default now(),
    finished_at      timestamptz,
    left_at          timestamptz,
    leaving          integer     not null default 0,
    attempted_at     timestamptz,
    last_attempt_at  timestamptz,
    locked_since     timestamptz,
    constraint email_batches_attempted_with_its_bytes
        check (attempts = 0 or payload is not null or (state in ('done', 'unknown')))
);

comment on table email_batches is 'One request of up to 100 e-mails, committed before it is made.';
comment on column email_batches.purpose is 'Whose mail it is: only that capability''s worker carries it on.';
comment on column email_batches.generation is
    'Part of the idempotency key. It grows when the provider surely sent nothing, and then the bytes may change too.';
comment on column email_batches.payload is
    'The bytes of the request from the first attempt on; gone when the batch is finished.';
comment on column email_batches.left_at is 'When its request began; the limit per minute counts by it.';
comment on column email_batches.leaving is 'How many mails the request carries; 0 where it surely carried none.';
comment on column email_batches.attempted_at is
    'The first attempt by the database''s clock: the provider forgets a key after a day.';
comment on column email_batches.last_attempt_at is 'When the latest request of this generation began.';
comment on column email_batches.locked_since is
    'Since when another transaction has kept a mail of it from leaving; null: none has.';

create index idx_email_batches_left on email_batches (org_id, left_at) where leaving > 0;
create index idx_email_batches_waiting on email_batches (purpose, not_before) where state in ('queued', 'sending');

alter table email_batches enable row level security;
create policy service_role_all on email_batches to crm_relay, service_role using (true) with check (true);

grant all on email_batches to crm_relay, service_role;


create table email_identities (
    id             uuid        primary key default gen_random_uuid(),
    org_id         uuid        not null default default_org_id() references organizations (id) on delete cascade,
    from_address   text        not null,
    from_name      text,
    reply_to       text,
    inbound_domain text,
    is_default     boolean     not null default false,
    paused_at      timestamptz,
    paused_reason  text,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    resumed_at     timestamptz
);

comment on table email_identities is
    'As whom an organization sends; a sender in bad health is paused, and nothing leaves in its name.';
comment on column email_identities.inbound_domain is
    'Where replies are received: Reply-To becomes reply+<token>@ this domain.';
comment on column email_identities.resumed_at is
    'When somebody last let a paused sender go on: what was before counts no more.';

create unique index idx_email_identities_address on email_identities (org_id, normalise_address(from_address));
create unique index idx_email_identities_default on email_identities (org_id) where is_default;

alter table email_identities enable row level security;
create policy authenticated_read on email_identities for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on email_identities to crm_relay, service_role using (true) with check (true);

grant select on email_identities to authenticated;
grant all on email_identities to crm_relay, service_role;


create table email_sends (
    id                   uuid        primary key default gen_random_uuid(),
    org_id               uuid        not null default default_org_id() references organizations (id) on delete cascade,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    send_key             text,
    entity_type          text,
    entity_id            uuid,
    enrollment_id        uuid,
    campaign_id          uuid,
    sequence_id          uuid,
    contact_id           uuid,
    ab_variant           text,
    identity_id          uuid        references email_identities (id) on delete set null,
    batch_id             uuid        references email_batches (id) on delete set null,
    "position"           integer,
    recipient_email      text,
    address              text,
    subject              text,
    topic                text,
    send_window          jsonb,
    payload              jsonb,
    links                integer     not null default 0,
    status               text        not null default 'queued',
    reason               text,
    resend_id            text,
    message_id           text,
    unsubscribe_token    text,
    reply_token          text,
    queued_at            timestamptz,
    sent_at              timestamptz,
    delivered_at         timestamptz,
    opened_at            timestamptz,
    opened_count         integer     not null default 0,
    human_opens          integer     not null default 0,
    first_human_open_at  timestamptz,
    clicked_at           timestamptz,
    clicked_count        integer     not null default 0,
    human_clicks         integer     not null default 0,
    first_human_click_at timestamptz,
    last_human_at        timestamptz,
    bounced_at           timestamptz,
    bounce_type          text,
    complained_at        timestamptz,
    unsubscribed_at      timestamptz,
    error_message        text,
    provider_message_id  text        generated always as (resend_id) stored,
    held_for             text,
    held_until           timestamptz,
    left_at              timestamptz,
    lost_request         text,
    lost_at              timestamptz,
    purpose              text        not null default 'campaign'
);

alter table email_sends add constraint email_sends_status_known
    check (status in ('queued', 'sending', 'scheduled', 'sent', 'pending', 'delivered', 'opened', 'clicked', 'failed',
    'suppressed', 'bounced', 'spam', 'unsubscribed', 'refused', 'dry_run', 'unknown')) not valid;

comment on table email_sends is
    'The ledger of e-mails: one row a send_key, committed before anything leaves, so nobody gets two.';
comment on column email_sends.send_window is 'Days, hours and zone in which it may leave; null: always.';
comment on column email_sends.payload is 'The mail as the provider takes it; gone once it is settled.';
comment on column email_sends.links is 'How many links it holds: a scanner opens them all at once.';
comment on column email_sends.human_opens is 'Opens that no scanner made; scores and winners count only these.';
comment on column email_sends.held_for is
    'Why it waits, a word of the table in docs/campaigns.md; null once it left or its fate is known.';
comment on column email_sends.held_until is 'When every question is asked again; null where it does not wait.';
comment on column email_sends.left_at is
    'When the request that carried it began; null where it surely did not leave. Frequency caps count by it.';
comment on column email_sends.lost_request is
    'Key of the first request that carried it and of which the provider''s list showed nothing; null: there was none. An event of it proves that everybody in it was written to.';
comment on column email_sends.lost_at is 'When the list showed nothing the last time; what left later left again.';
comment on column email_sends.purpose is
    'Whose mail it is: notification… goes to colleagues, so that no marketing opt-out, cap or pause holds it.';

create index idx_email_sends_address on email_sends (address, queued_at);
create index idx_email_sends_batch on email_sends (batch_id, "position");
create index idx_email_sends_by_time on email_sends (queued_at) include (status);
create index idx_email_sends_enrollment on email_sends (enrollment_id);
create index idx_email_sends_held on email_sends (org_id, held_for) where held_for is not null and status = 'queued';
create index idx_email_sends_identity on email_sends (identity_id, sent_at);
create unique index idx_email_sends_key on email_sends (send_key);
create index idx_email_sends_lost on email_sends (lost_request) where lost_request is not null;
create index idx_email_sends_message on email_sends (message_id) where message_id is not null;
create index idx_email_sends_reacted on email_sends (sequence_id) include (human_opens, human_clicks)
    where human_opens > 0 or human_clicks > 0;
create index idx_email_sends_recent on email_sends (org_id, queued_at);
create unique index idx_email_sends_reply on email_sends (reply_token);
create unique index idx_email_sends_resend on email_sends (resend_id);
create index idx_email_sends_sequence on email_sends (sequence_id, ab_variant);
create index idx_email_sends_unknown on email_sends (queued_at) where status = 'unknown';
create unique index idx_email_sends_unsubscribe on email_sends (unsubscribe_token);

alter table email_sends enable row level security;
create policy authenticated_read on email_sends for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on email_sends to crm_relay, service_role using (true) with check (true);

grant select on email_sends to authenticated;
grant all on email_sends to crm_relay, service_role;


create table email_logs (
    id             uuid        primary key default gen_random_uuid(),
    created_at     timestamptz not null default now(),
    email_send_id  uuid        references email_sends (id) on delete cascade,
    event_type     text,
    event_data     jsonb       not null default '{}',
    occurred_at    timestamptz,
    event_key      text,
    resend_id      text,
    verdict        text        check (verdict in ('human', 'machine')),
    verdict_reason text
);

comment on column email_logs.event_key is
    'The provider''s id of the delivery: an event that comes again is the same one.';
comment on column email_logs.resend_id is
    'Of an event that came before its row was known; applied when the row gets this id.';
comment on column email_logs.verdict_reason is 'Why an open or a click counts as a person''s or a machine''s.';

create index idx_email_logs_by_time on email_logs (occurred_at) include (event_type, verdict)
    where event_type in ('opened', 'clicked', 'bounced', 'complained', 'unsubscribed');
create unique index idx_email_logs_event on email_logs (event_key);
create index idx_email_logs_send on email_logs (email_send_id, occurred_at);
create index idx_email_logs_waiting on email_logs (resend_id) where email_send_id is null;

alter table email_logs enable row level security;
create policy authenticated_read on email_logs for select to authenticated
    using ((exists (select from email_sends mail where mail.id = email_logs.email_send_id
        and mail.org_id = (select current_org()))));
create policy service_role_all on email_logs to crm_relay, service_role using (true) with check (true);

grant select on email_logs to authenticated;
grant all on email_logs to crm_relay, service_role;


create table delivery_limits (
    org_id            uuid        primary key references organizations (id) on delete cascade,
    emails_per_minute integer     default 100 check (emails_per_minute > 0),
    cap_emails        integer     check (cap_emails > 0),
    cap_days          integer     check (cap_days > 0),
    updated_at        timestamptz not null default now(),
    constraint delivery_limits_cap_days_bounded check (cap_days <= 3650),
    constraint delivery_limits_check check ((cap_emails is null) = (cap_days is null))
);

comment on table delivery_limits is
    'Per organization: e-mails a minute (null: no limit), and how many one person gets in how many days.';

alter table delivery_limits enable row level security;
create policy authenticated_read on delivery_limits for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on delivery_limits to crm_relay, service_role using (true) with check (true);

grant select on delivery_limits to authenticated;
grant all on delivery_limits to crm_relay, service_role;


create table hold_changes (
    id          bigint      generated always as identity primary key,
    org_id      uuid,
    campaign_id uuid,
    reasons     text[]      not null,
    changed_at  timestamptz not null default now()
);

comment on table hold_changes is
    'Changes after which held mail and held steps are asked again; empty once the engine has looked.';
comment on column hold_changes.campaign_id is
    'Null: whatever of the organization is held; both null: of every organization.';

alter table hold_changes enable row level security;
create policy service_role_all on hold_changes to crm_relay, service_role using (true) with check (true);

grant all on hold_changes to crm_relay, service_role;


create table inbox_items (
    id              uuid        primary key default gen_random_uuid(),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    org_id          uuid        default default_org_id(),
    workspace_id    uuid        references workspaces (id) on delete cascade,
    source          text,
    external_id     text,
    thread_id       text,
    from_address    text,
    subject         text,
    received_at     timestamptz,
    is_auto_reply   boolean     not null default false,
    enrollment_id   uuid,
    in_reply_to     text,
    reference_ids   text[]      not null default '{}',
    to_addresses    text[]      not null default '{}',
    headers_read_at timestamptz,
    followed_at     timestamptz,
    quarantined_for text,
    message_id      text
);

comment on table inbox_items is
    'The one store of replies, from Resend, Bison and Gmail; stop-on-reply reads nothing else.';
comment on column inbox_items.external_id is 'The id at its source: a reply that is delivered twice is stored once.';
comment on column inbox_items.followed_at is
    'When campaigns looked at this reply; until then it may still stop a sequence.';
comment on column inbox_items.quarantined_for is
    'Why nobody owns this mail: it came to a domain of several organizations without a token that says whose it is.';

create index idx_inbox_items_enrollment on inbox_items (enrollment_id) where enrollment_id is not null;
create unique index idx_inbox_items_external on inbox_items (source, external_id);
create index idx_inbox_items_from on inbox_items (normalise_address(from_address), received_at);
create index idx_inbox_items_message on inbox_items (workspace_id, message_id) where source = 'gmail'
    and message_id is not null;
create index idx_inbox_items_unfollowed on inbox_items (received_at) where followed_at is null;
create index idx_inbox_items_unread on inbox_items (received_at) where source = 'resend' and headers_read_at is null;

alter table inbox_items enable row level security;
create policy authenticated_read on inbox_items for select to authenticated
    using (org_id = (select current_org())
        and (workspace_id is null or (workspace_id = any ((select current_workspace_ids())::uuid[]))));
create policy service_role_all on inbox_items to crm_relay, service_role using (true) with check (true);

grant select on inbox_items to authenticated;
grant all on inbox_items to crm_relay, service_role;


create table mail_elsewhere (
    id            uuid        primary key,
    org_id        uuid        not null references organizations (id) on delete cascade,
    address       text        not null,
    purpose       text        not null,
    left_at       timestamptz not null,
    leaving_until timestamptz
);

comment on table mail_elsewhere is 'E-mails that left by another way than a batch: they count for the frequency caps.';

create index idx_mail_elsewhere_address on mail_elsewhere (address, left_at desc);
create index idx_mail_elsewhere_leaving on mail_elsewhere (leaving_until) where leaving_until is not null;
create index idx_mail_elsewhere_org on mail_elsewhere (org_id);

alter table mail_elsewhere enable row level security;
create policy service_role_all on mail_elsewhere to crm_relay, service_role using (true) with check (true);

grant all on mail_elsewhere to crm_relay, service_role;


create table own_sender (
    only_one      boolean     primary key default true check (only_one),
    paused_at     timestamptz,
    paused_reason text,
    resumed_at    timestamptz
);

comment on table own_sender is
    'Whether mail in the name of EMAIL_FROM is paused, as email_identities say it of theirs; at most one row.';

alter table own_sender enable row level security;
create policy service_role_all on own_sender to crm_relay, service_role using (true) with check (true);

grant all on own_sender to crm_relay, service_role;


create table provider_topics (
    provider    text        not null,
    external_id text        not null,
    topic       text        not null,
    updated_at  timestamptz not null default now(),
    primary key (provider, external_id)
);

comment on table provider_topics is
    'What a topic of the provider is called here: an opt-out from it there holds for campaigns with this topic.';

alter table provider_topics enable row level security;
create policy service_role_all on provider_topics to crm_relay, service_role using (true) with check (true);

grant all on provider_topics to crm_relay, service_role;


create table send_modes (
    purpose           text        primary key,
    mode              text        not null check (mode in ('dry-run', 'allow-list', 'live')),
    allow_list_digest text,
    noted_at          timestamptz not null,
    changed_at        timestamptz
);

comment on table send_modes is
    'SEND_MODE as the last run that sends mail of a purpose found it; written where it changes.';
comment on column send_modes.allow_list_digest is
    'Of SEND_ALLOW_LIST, without its addresses; null in any mode but allow-list.';
comment on column send_modes.noted_at is 'Since when it is so.';
comment on column send_modes.changed_at is
    'When a run found another mode than the one before; null: it has never changed.';

alter table send_modes enable row level security;
create policy service_role_all on send_modes to crm_relay, service_role using (true) with check (true);

grant all on send_modes to crm_relay, service_role;


create table sending_stops (
    id         bigint      generated always as identity primary key,
    org_id     uuid,
    purposes   text[]      not null default array['campaign'::text, 'workflow'::text],
    reason     text,
    stopped_by text        not null,
    stopped_at timestamptz not null,
    resumed_by text,
    resumed_at timestamptz
);

comment on table sending_stops is
    'Who stopped sending, when and why, and who resumed it; one without resumed_at holds now.';
comment on column sending_stops.org_id is 'Null: every organization.';
comment on column sending_stops.purposes is 'Purposes of messages that wait; others leave.';

alter table sending_stops enable row level security;
create policy service_role_all on sending_stops to crm_relay, service_role using (true) with check (true);

grant all on sending_stops to crm_relay, service_role;


create table sms_sends (
    id               uuid        primary key default gen_random_uuid(),
    org_id           uuid        not null references organizations (id) on delete cascade,
    send_key         text        not null unique,
    enrollment_id    uuid,
    campaign_id      uuid,
    sequence_id      uuid,
    contact_id       uuid,
    to_number        text,
    body             text,
    status           text        not null default 'queued'
        check (status in ('queued', 'sending', 'sent', 'failed', 'refused', 'unknown')),
    reason           text,
    twilio_sid       text        unique,
    attempts         integer     not null default 0,
    first_attempt_at timestamptz,
    not_before       timestamptz not null,
    claimed_until    timestamptz,
    queued_at        timestamptz not null,
    sent_at          timestamptz,
    updated_at       timestamptz not null default now(),
    held_for         text,
    held_until       timestamptz,
    generation       integer     not null default 0,
    purpose          text        not null default 'campaign',
    entity_type      text,
    entity_id        uuid
);

comment on column sms_sends.held_for is 'As email_sends.held_for.';
comment on column sms_sends.held_until is 'As email_sends.held_until.';
comment on column sms_sends.generation is
    'How often it surely was not sent and began anew; with attempts it names one attempt.';
comment on column sms_sends.purpose is 'What it is for; a stop holds messages of its purposes alone.';

create index idx_sms_sends_due on sms_sends (purpose, not_before) where status in ('queued', 'sending');
create index idx_sms_sends_enrollment on sms_sends (enrollment_id);
create index idx_sms_sends_held on sms_sends (org_id, held_for) where held_for is not null and status = 'queued';
create index idx_sms_sends_number on sms_sends (to_number);
create index idx_sms_sends_waiting on sms_sends (not_before) where status in ('queued', 'sending');

alter table sms_sends enable row level security;
create policy authenticated_read on sms_sends for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on sms_sends to crm_relay, service_role using (true) with check (true);

grant select on sms_sends to authenticated;
grant all on sms_sends to crm_relay, service_role;
