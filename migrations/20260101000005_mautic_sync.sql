-- M1: what is known of every customer's contact in Mautic, what came back from there, and the log of runs.
set local lock_timeout = '5s';

create table if not exists mautic_sync_status (
    customer_id uuid primary key references customer_profiles (id) on delete cascade,
    mautic_contact_id integer,
    sync_hash text,
    last_synced_at timestamptz,
    sync_error text,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
alter table mautic_sync_status add column if not exists attempts integer not null default 0;
alter table mautic_sync_status add column if not exists next_attempt_at timestamptz;
alter table mautic_sync_status add column if not exists conflict_owner_id uuid;
alter table mautic_sync_status add column if not exists segments text[] not null default '{}';
alter table mautic_sync_status add column if not exists segments_settled boolean not null default true;
alter table mautic_sync_status add column if not exists dnc_reason smallint;
alter table mautic_sync_status add column if not exists left_out text[] not null default '{}';

create table if not exists customer_email_engagement (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid references customer_profiles (id) on delete cascade,
    event_type text not null check (event_type in ('open', 'click', 'unsubscribe', 'bounce')),
    campaign_name text,
    email_subject text,
    link_url text,
    occurred_at timestamptz not null,
    mautic_email_id text,
    raw_payload jsonb,
    created_at timestamptz default now()
);
alter table customer_email_engagement add column if not exists event_key text;
alter table customer_email_engagement add column if not exists mautic_contact_id integer;
alter table customer_email_engagement add column if not exists address text;
alter table customer_email_engagement add column if not exists is_machine boolean;
alter table customer_email_engagement add column if not exists verdict text;

create table if not exists mautic_sync_logs (
    id uuid primary key default gen_random_uuid(),
    run_started_at timestamptz not null,
    run_finished_at timestamptz,
    contacts_synced integer default 0,
    contacts_created integer default 0,
    contacts_updated integer default 0,
    contacts_failed integer default 0,
    segments_synced integer default 0,
    error_details jsonb,
    created_at timestamptz default now()
);

-- Where the next run begins: after a slow or unanswered batch with fewer.
alter table mautic_sync_logs add column if not exists batch_size integer;

create index if not exists idx_mautic_sync_status_mautic_id on mautic_sync_status (mautic_contact_id);
create index if not exists idx_mautic_sync_status_last_synced on mautic_sync_status (last_synced_at);
create index if not exists idx_customer_email_engagement_customer on customer_email_engagement (customer_id);
create index if not exists idx_customer_email_engagement_type on customer_email_engagement (event_type);
create index if not exists idx_customer_email_engagement_occurred on customer_email_engagement (occurred_at desc);
create index if not exists idx_mautic_sync_logs_started on mautic_sync_logs (run_started_at desc);

-- An event is stored once, however often it is delivered.
create unique index if not exists idx_customer_email_engagement_event on customer_email_engagement (event_key);
-- Events that wait for their customer, found without reading the rest.
create index if not exists idx_customer_email_engagement_unmatched
    on customer_email_engagement (mautic_contact_id) where customer_id is null;
-- Rows whose turn comes again, and rows that wait for another customer's address.
create index if not exists idx_mautic_sync_status_retry
    on mautic_sync_status (next_attempt_at) where next_attempt_at is not null;
create index if not exists idx_mautic_sync_status_conflict
    on mautic_sync_status (conflict_owner_id) where conflict_owner_id is not null;

-- Contact ids that a customer had before: a contact may be deleted or merged in Mautic while its events are on their way.
create table if not exists mautic_former_contacts (
    mautic_contact_id integer primary key,
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    forgotten_at timestamptz not null default now()
);
create index if not exists idx_mautic_former_contacts_customer on mautic_former_contacts (customer_id);

-- Contacts whose customer was deleted here. Their status row went with the customer, so the id is kept in this one.
create table if not exists mautic_removals (
    mautic_contact_id integer primary key,
    customer_id uuid not null,
    requested_at timestamptz not null default now(),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    error text
);

select secure_table('mautic_sync_logs', '(select current_org()) = (select default_org_id())');
select secure_table('mautic_removals');
select secure_table('mautic_former_contacts');
select secure_table(relation::regclass, format(
    'exists (select from customer_profiles owner where owner.id = %s.customer_id and owner.org_id = (select current_org()))', relation
))
from unnest(array['mautic_sync_status', 'customer_email_engagement']) as relation;

comment on table mautic_sync_status is
    'One row a customer: its contact in Mautic, the hash that Mautic confirmed last, and why it is not there.';
comment on column mautic_sync_status.sync_hash is
    'Mapping version and fingerprint of what Mautic confirmed for this row; differs from the present one = to be sent.';
comment on column mautic_sync_status.conflict_owner_id is
    'Set where another customer, the owner named here, has the same address: Mautic can hold it once.';
comment on column mautic_sync_status.segments is
    'Slugs of the segments that the contact may be a member of in Mautic; exactly these once segments_settled.';
comment on column mautic_sync_status.dnc_reason is
    'The do-not-contact reason that Mautic confirmed (1 unsubscribed, 2 bounced, 3 manual); null: none from here.';
comment on column mautic_sync_status.left_out is
    'Fields that were cut or that Mautic refused for this customer; the rest of the contact was written.';
comment on table customer_email_engagement is
    'Opens, clicks, unsubscribes and bounces from Mautic. customer_id is null until the contact is known here.';
comment on column customer_email_engagement.event_key is 'Identity of the event in Mautic: a second delivery changes nothing.';
comment on column customer_email_engagement.is_machine is
    'For opens and clicks: true where a scanner or a mail proxy did it rather than a person; verdict says why.';
comment on table mautic_sync_logs is 'One row a run of mautic_sync: what it counted and the first reasons of failures.';
comment on table mautic_removals is 'Contacts of deleted customers, until Mautic has been told (MAUTIC_ON_DELETE says what).';
