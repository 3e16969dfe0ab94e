-- The buyers and what is known of them, where the installation has no such tables yet.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists customer_profiles (
    id uuid primary key default gen_random_uuid(),
    first_name text,
    last_name text,
    canonical_full_name text,
    date_of_birth date,
    marketing_opt_in boolean,
    do_not_contact boolean default false,
    lead_score integer,
    rfm_recency integer,
    rfm_frequency integer,
    rfm_monetary integer,
    last_scored_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table customer_profiles add column if not exists org_id uuid default default_org_id();

create table if not exists customer_emails (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    email text not null,
    is_primary boolean not null default false,
    first_seen_at timestamptz not null default now()
);

create table if not exists customer_phones (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    phone_e164 text not null,
    is_primary boolean not null default false,
    first_seen_at timestamptz not null default now()
);

create table if not exists customer_addresses (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    line_1 text,
    line_2 text,
    suburb text,
    city text,
    state text,
    postcode text,
    country text,
    is_primary boolean not null default false
);

create table if not exists customer_engagement_metrics (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null unique references customer_profiles (id) on delete cascade,
    lifetime_orders integer,
    lifetime_net numeric(14, 2),
    first_seen_at timestamptz,
    last_order_at timestamptz,
    most_recent_event_id text,
    most_recent_event_name text,
    preferred_venue text
);

create table if not exists segments (
    id uuid primary key default gen_random_uuid(),
    slug text not null unique,
    name text not null
);

create table if not exists customer_segment_links (
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    segment_id uuid not null references segments (id) on delete cascade,
    primary key (customer_id, segment_id)
);

-- M3: an address that bounced for good is kept, and never written to again.
alter table customer_emails add column if not exists is_valid boolean default true;
alter table customer_emails add column if not exists bounce_count integer not null default 0;
comment on column customer_emails.is_valid is
    'False after three bounces, or one that is known to be permanent: nothing is sent to this address any more.';

create index if not exists idx_customer_segment_links_customer_segment on customer_segment_links (customer_id, segment_id);
create index if not exists idx_customer_emails_customer_id on customer_emails (customer_id);
create index if not exists idx_customer_phones_customer_id on customer_phones (customer_id);
create index if not exists idx_customer_addresses_customer_id on customer_addresses (customer_id);
create index if not exists idx_customer_engagement_metrics_customer_id on customer_engagement_metrics (customer_id);
create index if not exists idx_customer_emails_is_valid on customer_emails (is_valid) where is_valid = false;
create index if not exists idx_customer_segment_links_segment on customer_segment_links (segment_id);

select secure_new_table('customer_profiles', 'org_id = (select current_org())');
select secure_new_table('segments', '(select current_org()) = (select default_org_id())');
select secure_new_table(relation::regclass, format(
    'exists (select from customer_profiles owner where owner.id = %s.customer_id and owner.org_id = (select current_org()))', relation
))
from unnest(array[
    'customer_emails', 'customer_phones', 'customer_addresses', 'customer_engagement_metrics', 'customer_segment_links'
]) as relation;
