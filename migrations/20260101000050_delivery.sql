-- Mail out: who sends, what was queued before it left, in which batch, and what became of it.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists email_identities (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    from_address text not null,
    from_name text,
    reply_to text,
    inbound_domain text,
    is_default boolean not null default false,
    paused_at timestamptz,
    paused_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index if not exists idx_email_identities_address on email_identities (org_id, normalise_address(from_address));
create unique index if not exists idx_email_identities_default on email_identities (org_id) where is_default;

create table if not exists delivery_limits (
    org_id uuid primary key references organizations (id) on delete cascade,
    emails_per_minute integer default 100 check (emails_per_minute > 0),
    cap_emails integer check (cap_emails > 0),
    cap_days integer check (cap_days > 0),
    updated_at timestamptz not null default now(),
    check ((cap_emails is null) = (cap_days is null))
);

-- One request to the provider. Its key and, from the first attempt on, its bytes never change: what is repeated within the
-- provider's memory of a key is answered and not sent again.
create table if not exists email_batches (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    purpose text not null default 'campaign',
    state text not null default 'queued' check (state in ('queued', 'sending', 'done', 'unknown')),
    generation integer not null default 1,
    payload text,
    attempts integer not null default 0,
    first_attempt_at timestamptz,
    not_before timestamptz not null,
    claimed_until timestamptz,
    problem text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint email_batches_attempted_with_its_bytes check (attempts = 0 or payload is not null or state in ('done', 'unknown'))
);
create index if not exists idx_email_batches_waiting on email_batches (purpose, not_before) where state in ('queued', 'sending');

create table if not exists email_sends (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table email_sends add column if not exists send_key text;
alter table email_sends add column if not exists entity_type text;
alter table email_sends add column if not exists entity_id uuid;
alter table email_sends add column if not exists enrollment_id uuid;
alter table email_sends add column if not exists campaign_id uuid;
alter table email_sends add column if not exists sequence_id uuid;
alter table email_sends add column if not exists contact_id uuid;
alter table email_sends add column if not exists ab_variant text;
alter table email_sends add column if not exists identity_id uuid references email_identities (id) on delete set null;
alter table email_sends add column if not exists batch_id uuid references email_batches (id) on delete set null;
alter table email_sends add column if not exists position integer;
alter table email_sends add column if not exists recipient_email text;
alter table email_sends add column if not exists address text;
alter table email_sends add column if not exists subject text;
alter table email_sends add column if not exists topic text;
alter table email_sends add column if not exists send_window jsonb;
alter table email_sends add column if not exists payload jsonb;
alter table email_sends add column if not exists links integer not null default 0;
alter table email_sends add column if not exists status text not null default 'queued';
alter table email_sends add column if not exists reason text;
alter table email_sends add column if not exists resend_id text;
alter table email_sends add column if not exists message_id text;
alter table email_sends add column if not exists unsubscribe_token text;
alter table email_sends add column if not exists reply_token text;
alter table email_sends add column if not exists queued_at timestamptz;
alter table email_sends add column if not exists sent_at timestamptz;
alter table email_sends add column if not exists delivered_at timestamptz;
alter table email_sends add column if not exists opened_at timestamptz;
alter table email_sends add column if not exists opened_count integer not null default 0;
alter table email_sends add column if not exists human_opens integer not null default 0;
alter table email_sends add column if not exists first_human_open_at timestamptz;
alter table email_sends add column if not exists clicked_at timestamptz;
alter table email_sends add column if not exists clicked_count integer not null default 0;
alter table email_sends add column if not exists human_clicks integer not null default 0;
alter table email_sends add column if not exists first_human_click_at timestamptz;
alter table email_sends add column if not exists last_human_at timestamptz;
alter table email_sends add column if not exists bounced_at timestamptz;
alter table email_sends add column if not exists bounce_type text;
alter table email_sends add column if not exists complained_at timestamptz;
alter table email_sends add column if not exists unsubscribed_at timestamptz;
alter table email_sends add column if not exists error_message text;
-- The document's other name for the same thing; whoever reads it still can.
alter table email_sends add column if not exists provider_message_id text generated always as (resend_id) stored;

alter table email_sends drop constraint if exists email_sends_status_known;
alter table email_sends add constraint email_sends_status_known check (status in (
    'queued', 'sending', 'scheduled', 'sent', 'pending', 'delivered', 'opened', 'clicked', 'failed', 'suppressed', 'bounced',
    'spam', 'unsubscribed', 'refused', 'dry_run', 'unknown'
)) not valid;
create unique index if not exists idx_email_sends_key on email_sends (send_key);
create unique index if not exists idx_email_sends_resend on email_sends (resend_id);
create unique index if not exists idx_email_sends_unsubscribe on email_sends (unsubscribe_token);
create unique index if not exists idx_email_sends_reply on email_sends (reply_token);
create index if not exists idx_email_sends_message on email_sends (message_id) where message_id is not null;
create index if not exists idx_email_sends_batch on email_sends (batch_id, position);
create index if not exists idx_email_sends_enrollment on email_sends (enrollment_id);
create index if not exists idx_email_sends_sequence on email_sends (sequence_id, ab_variant);
-- Frequency caps count by person, rate limits and the watch on senders by organization.
create index if not exists idx_email_sends_address on email_sends (address, queued_at);
create index if not exists idx_email_sends_recent on email_sends (org_id, queued_at);

create table if not exists email_logs (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now()
);
alter table email_logs add column if not exists email_send_id uuid references email_sends (id) on delete cascade;
alter table email_logs add column if not exists event_type text;
alter table email_logs add column if not exists event_data jsonb not null default '{}';
alter table email_logs add column if not exists occurred_at timestamptz;
alter table email_logs add column if not exists event_key text;
alter table email_logs add column if not exists resend_id text;
alter table email_logs add column if not exists verdict text check (verdict in ('human', 'machine'));
create unique index if not exists idx_email_logs_event on email_logs (event_key);
create index if not exists idx_email_logs_send on email_logs (email_send_id, occurred_at);
create index if not exists idx_email_logs_waiting on email_logs (resend_id) where email_send_id is null;

create table if not exists topic_opt_outs (
    org_id uuid not null references organizations (id) on delete cascade,
    address text not null,
    topic text not null,
    source text not null,
    occurred_at timestamptz not null,
    primary key (org_id, address, topic)
);

create table if not exists sms_sends (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    send_key text not null unique,
    enrollment_id uuid,
    campaign_id uuid,
    sequence_id uuid,
    contact_id uuid,
    to_number text,
    body text,
    status text not null default 'queued' check (status in ('queued', 'sending', 'sent', 'failed', 'refused', 'unknown')),
    reason text,
    twilio_sid text unique,
    attempts integer not null default 0,
    first_attempt_at timestamptz,
    not_before timestamptz not null,
    claimed_until timestamptz,
    queued_at timestamptz not null,
    sent_at timestamptz,
    updated_at timestamptz not null default now()
);
create index if not exists idx_sms_sends_waiting on sms_sends (not_before) where status in ('queued', 'sending');
create index if not exists idx_sms_sends_enrollment on sms_sends (enrollment_id);

alter table email_templates add column if not exists topic text;

select secure_table(relation::regclass, 'org_id = (select current_org())')
from unnest(array['email_identities', 'delivery_limits', 'topic_opt_outs', 'sms_sends']) as relation;
select secure_table('email_batches');
select secure_new_table('email_sends', 'org_id = (select current_org())');
select secure_new_table('email_logs', 'exists (
    select from email_sends mail where mail.id = email_logs.email_send_id and mail.org_id = (select current_org()))');

comment on table email_identities is 'As whom an organization sends; a sender in bad health is paused, and nothing leaves in its name.';
comment on column email_identities.inbound_domain is 'Where replies are received: Reply-To becomes reply+<token>@ this domain.';
comment on table delivery_limits is 'Per organization: e-mails a minute (null: no limit), and how many one person gets in how many days.';
comment on table email_batches is 'One request of up to 100 e-mails, committed before it is made.';
comment on column email_batches.purpose is 'Whose mail it is: only that capability''s worker carries it on.';
comment on column email_batches.generation is
    'Part of the idempotency key. It grows when the provider surely sent nothing, and then the bytes may change too.';
comment on column email_batches.payload is 'The bytes of the request from the first attempt on; gone when the batch is finished.';
comment on table email_sends is 'The ledger of e-mails: one row a send_key, committed before anything leaves, so nobody gets two.';
comment on column email_sends.payload is 'The mail as the provider takes it; gone once it is settled.';
comment on column email_sends.send_window is 'Days, hours and zone in which it may leave; null: always.';
comment on column email_sends.links is 'How many links it holds: a scanner opens them all at once.';
comment on column email_sends.human_opens is 'Opens that no scanner made; scores and winners count only these.';
comment on column email_logs.event_key is 'The provider''s id of the delivery: an event that comes again is the same one.';
comment on column email_logs.resend_id is 'Of an event that came before its row was known; applied when the row gets this id.';
comment on table topic_opt_outs is 'Who wants no more of one topic; an opt-out from everything is in the consent ledger.';
