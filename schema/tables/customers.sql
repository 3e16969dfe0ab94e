-- Tables of customers. Written by `make schema`: change it by a migration.


create table mautic_departed_customers (
    customer_md5 text        primary key,
    departed_at  timestamptz not null default now()
);

comment on table mautic_departed_customers is
    'Customers who had a contact in Mautic and were deleted here. The audit mutes contacts of these, never of other ids.';

alter table mautic_departed_customers enable row level security;
create policy service_role_all on mautic_departed_customers to crm_relay, service_role using (true) with check (true);

grant all on mautic_departed_customers to crm_relay, service_role;


create table mautic_dirty (
    seq         bigint generated always as identity primary key,
    customer_id uuid   not null
);

alter table mautic_dirty enable row level security;
create policy service_role_all on mautic_dirty to crm_relay, service_role using (true) with check (true);

grant all on mautic_dirty to crm_relay, service_role;


create table mautic_dirty_bulk (
    seq          bigint generated always as identity primary key,
    customer_ids uuid[] not null
);

comment on table mautic_dirty_bulk is
    'Who was changed by statements that changed many; the next run of the sync spreads it over mautic_dirty.';

alter table mautic_dirty_bulk enable row level security;
create policy service_role_all on mautic_dirty_bulk to crm_relay, service_role using (true) with check (true);

grant all on mautic_dirty_bulk to crm_relay, service_role;


create table mautic_former_contacts (
    mautic_contact_id integer     primary key,
    customer_id       uuid        not null references customer_profiles (id) on delete cascade,
    forgotten_at      timestamptz not null default now()
);

create index idx_mautic_former_contacts_customer on mautic_former_contacts (customer_id);

alter table mautic_former_contacts enable row level security;
create policy service_role_all on mautic_former_contacts to crm_relay, service_role using (true) with check (true);

grant all on mautic_former_contacts to crm_relay, service_role;


create table mautic_removals (
    mautic_contact_id integer     primary key,
    customer_id       uuid        not null,
    requested_at      timestamptz not null default now(),
    attempts          integer     not null default 0,
    next_attempt_at   timestamptz,
    error             text
);

comment on table mautic_removals is
    'Contacts of deleted customers, until Mautic has been told (MAUTIC_ON_DELETE says what).';

alter table mautic_removals enable row level security;
create policy service_role_all on mautic_removals to crm_relay, service_role using (true) with check (true);

grant all on mautic_removals to crm_relay, service_role;


create table mautic_sync_logs (
    id               uuid        primary key default gen_random_uuid(),
    run_started_at   timestamptz not null,
    run_finished_at  timestamptz,
    contacts_synced  integer     default 0,
    contacts_created integer     default 0,
    contacts_updated integer     default 0,
    contacts_failed  integer     default 0,
    segments_synced  integer     default 0,
    error_details    jsonb,
    created_at       timestamptz default now(),
    batch_size       integer
);

comment on table mautic_sync_logs is 'One row a run of mautic_sync: what it counted and the first reasons of failures.';

create index idx_mautic_sync_logs_started on mautic_sync_logs (run_started_at desc);

alter table mautic_sync_logs enable row level security;
create policy authenticated_read on mautic_sync_logs for select to authenticated
    using ((select current_org()) = (select default_org_id()));
create policy service_role_all on mautic_sync_logs to crm_relay, service_role using (true) with check (true);

grant select on mautic_sync_logs to authenticated;
grant all on mautic_sync_logs to crm_relay, service_role;


create table mautic_sync_status (
    customer_id       uuid        primary key references customer_profiles (id) on delete cascade,
    mautic_contact_id integer,
    sync_hash         text,
    last_synced_at    timestamptz,
    sync_error        text,
    created_at        timestamptz default now(),
    updated_at        timestamptz default now(),
    attempts          integer     not null default 0,
    next_attempt_at   timestamptz,
    conflict_owner_id uuid,
    segments          text[]      not null default '{}',
    segments_settled  boolean     not null default true,
    dnc_reason        smallint,
    left_out          text[]      not null default '{}'
);

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

create index idx_mautic_sync_status_conflict on mautic_sync_status (conflict_owner_id)
    where conflict_owner_id is not null;
create index idx_mautic_sync_status_last_synced on mautic_sync_status (last_synced_at);
create index idx_mautic_sync_status_mautic_id on mautic_sync_status (mautic_contact_id);
create index idx_mautic_sync_status_retry on mautic_sync_status (next_attempt_at) where next_attempt_at is not null;

alter table mautic_sync_status enable row level security;
create policy authenticated_read on mautic_sync_status for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = mautic_sync_status.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on mautic_sync_status to crm_relay, service_role using (true) with check (true);

grant select on mautic_sync_status to authenticated;
grant all on mautic_sync_status to crm_relay, service_role;


create table mautic_webhook_watch (
    only_row      boolean     primary key default true check (only_row),
    seen_on_at    timestamptz,
    gap_from      timestamptz,
    gap_to        timestamptz,
    contacts_read boolean     not null default false,
    opens_after   bigint,
    clicks_after  bigint
);

comment on table mautic_webhook_watch is
    'One row: when the watch last saw the webhook on, and the gap that it still fills; gap_from is null where there is none.';
comment on column mautic_webhook_watch.gap_to is 'When the webhook was seen on again; null while it is off or missing.';
comment on column mautic_webhook_watch.contacts_read is
    'Whether opt-outs and deletions of the gap were read from the contacts.';
comment on column mautic_webhook_watch.opens_after is
    'Up to which id of email_stats opens of the gap were read, null once all were; clicks_after the same of page_hits.';

alter table mautic_webhook_watch enable row level security;
create policy service_role_all on mautic_webhook_watch to crm_relay, service_role using (true) with check (true);

grant all on mautic_webhook_watch to crm_relay, service_role;
