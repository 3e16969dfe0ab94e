-- What the documents presuppose of a CRM: people, companies, deals, staffing, campaigns and mail; made only where missing.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists accounts (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    name text not null,
    domain text,
    industry text,
    status text not null default 'active',
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists contacts (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    account_id uuid references accounts (id) on delete set null,
    email text,
    phone text,
    first_name text,
    last_name text,
    company_name text,
    title text,
    timezone text,
    linkedin_url text,
    status text not null default 'active',
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists deals (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    account_id uuid references accounts (id) on delete set null,
    lead_contact_id uuid references contacts (id) on delete set null,
    name text not null,
    value numeric(14, 2),
    currency text not null default 'USD',
    stage text,
    stage_id uuid,
    status text not null default 'open',
    probability integer,
    expected_close_date date,
    closed_at timestamptz,
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
alter table deals add column if not exists lead_contact_id uuid references contacts (id) on delete set null;

create table if not exists deal_stages_history (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    deal_id uuid not null references deals (id) on delete cascade,
    from_stage_id uuid,
    to_stage_id uuid,
    from_probability integer,
    to_probability integer,
    days_in_stage integer,
    notes text,
    changed_by uuid references user_profiles (id) on delete set null,
    changed_at timestamptz not null default now()
);

create table if not exists entity_history (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    entity_type text not null,
    entity_id uuid not null,
    change_type text not null,
    field_name text,
    old_value jsonb,
    new_value jsonb,
    changed_by uuid references user_profiles (id) on delete set null,
    changed_at timestamptz not null default now(),
    metadata jsonb not null default '{}'
);

create table if not exists jobs (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    account_id uuid references accounts (id) on delete set null,
    title text not null,
    status text not null default 'open',
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists submissions (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    job_id uuid references jobs (id) on delete cascade,
    candidate_id uuid references contacts (id) on delete set null,
    status text not null default 'submitted',
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists placements (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    submission_id uuid references submissions (id) on delete set null,
    job_id uuid references jobs (id) on delete set null,
    candidate_id uuid references contacts (id) on delete set null,
    status text not null default 'active',
    start_date date,
    end_date date,
    owner_id uuid references user_profiles (id) on delete set null,
    created_by uuid references user_profiles (id) on delete set null,
    updated_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists activities (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    entity_type text not null,
    entity_id uuid not null,
    secondary_entity_type text,
    secondary_entity_id uuid,
    type text not null,
    subject text,
    description text,
    status text not null default 'open',
    priority text not null default 'normal',
    assignee_id uuid references user_profiles (id) on delete set null,
    due_date timestamptz,
    completed_at timestamptz,
    metadata jsonb not null default '{}',
    created_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table if not exists prospects (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    city text,
    country text,
    contact_name text,
    contact_email text,
    contact_title text,
    phone text,
    website text,
    linkedin_url text,
    stage text,
    tier text,
    score numeric,
    lead_source text,
    email_bounced boolean not null default false,
    archived boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table prospects add column if not exists org_id uuid default default_org_id();

create table if not exists campaigns (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    description text,
    status text not null default 'draft',
    send_window_start time not null default '09:00',
    send_window_end time not null default '17:00',
    send_days text[] not null default '{mon,tue,wed,thu,fri}',
    timezone text not null default 'America/New_York',
    total_sent integer not null default 0,
    total_active integer not null default 0,
    total_completed integer not null default 0,
    created_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table campaigns add column if not exists org_id uuid default default_org_id();
alter table campaigns add column if not exists source text not null default 'native'
    check (source in ('native', 'bison', 'edge'));

create table if not exists mailboxes (
    id uuid primary key default gen_random_uuid(),
    email text not null,
    name text,
    provider text,
    status text not null default 'active',
    daily_limit integer,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table mailboxes add column if not exists org_id uuid default default_org_id();

-- No references: the copy of an e-mail may arrive before its prospect does, and one without a prospect is a finding.
create table if not exists emails (
    id uuid primary key default gen_random_uuid(),
    prospect_id uuid,
    campaign_id uuid,
    subject text,
    body text,
    to_email text,
    from_email text,
    message_id text,
    direction text not null default 'outbound',
    status text,
    sent_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    replied_at timestamptz,
    bounced_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table emails add column if not exists org_id uuid default default_org_id();

-- Replies of every origin. The enrollment is matched by campaigns; its table comes with them.
create table if not exists inbox_items (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table inbox_items add column if not exists org_id uuid default default_org_id();
alter table inbox_items add column if not exists workspace_id uuid references workspaces (id) on delete cascade;
alter table inbox_items add column if not exists source text;
alter table inbox_items add column if not exists external_id text;
alter table inbox_items add column if not exists thread_id text;
alter table inbox_items add column if not exists from_address text;
alter table inbox_items add column if not exists subject text;
alter table inbox_items add column if not exists received_at timestamptz;
alter table inbox_items add column if not exists is_auto_reply boolean not null default false;
alter table inbox_items add column if not exists enrollment_id uuid;

create index if not exists idx_contacts_org on contacts (org_id);
create index if not exists idx_contacts_normalised on contacts (normalise_address(email));
create index if not exists idx_deals_lead_contact on deals (lead_contact_id) where deleted_at is null;
create index if not exists idx_deal_stages_history_deal on deal_stages_history (deal_id, changed_at);
create index if not exists idx_entity_history_entity on entity_history (entity_type, entity_id, changed_at desc);
create index if not exists idx_activities_entity on activities (entity_type, entity_id);
create index if not exists idx_prospects_normalised on prospects (normalise_address(contact_email));
create index if not exists idx_prospects_updated on prospects (updated_at, id);
create index if not exists idx_campaigns_updated on campaigns (updated_at, id);
create index if not exists idx_mailboxes_updated on mailboxes (updated_at, id);
create index if not exists idx_emails_prospect on emails (prospect_id);
create index if not exists idx_emails_message on emails (message_id);
create unique index if not exists idx_inbox_items_external on inbox_items (source, external_id);
create index if not exists idx_inbox_items_from on inbox_items (normalise_address(from_address), received_at);

select secure_new_table(relation::regclass, 'org_id = (select current_org())')
from unnest(array[
    'accounts', 'contacts', 'deals', 'deal_stages_history', 'entity_history', 'jobs', 'submissions', 'placements', 'activities',
    'prospects', 'campaigns', 'mailboxes', 'emails'
]) as relation;
select secure_new_table('inbox_items', '(org_id = (select current_org())
    and (workspace_id is null or workspace_id = any ((select current_workspace_ids())::uuid[])))');

-- Everybody who has an address, whatever they are: buyers, contacts and prospects meet only here.
create or replace view person_addresses with (security_invoker = true) as
select normalise_address(mail.email) as address, 'customer' as kind, profile.id as person_id, profile.org_id
from customer_emails mail
join customer_profiles profile on profile.id = mail.customer_id
where normalise_address(mail.email) is not null
union all
select normalise_address(email), 'contact', id, org_id
from contacts
where normalise_address(email) is not null
union all
select normalise_address(contact_email), 'prospect', id, org_id
from prospects
where normalise_address(contact_email) is not null;

revoke all on person_addresses from public, anon, authenticated;
grant select on person_addresses to authenticated, service_role, crm_relay;

comment on view person_addresses is 'Normalised address, kind (customer, contact, prospect) and id of everybody who has one.';
comment on table inbox_items is 'The one store of replies, from Resend, Bison and Gmail; stop-on-reply reads nothing else.';
comment on column inbox_items.external_id is 'The id at its source: a reply that is delivered twice is stored once.';
comment on column campaigns.source is 'native, bison or edge: only native campaigns enroll contacts.';
