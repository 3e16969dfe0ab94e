-- name: insert_profiles
-- Customers 1 to :count, whose id follows from their number.
insert into customer_profiles (id, first_name, last_name, marketing_opt_in, lead_score, created_at, updated_at)
select
    md5('customer' || number)::uuid, 'First ' || number, 'Last ' || number, true, (number % 25)::integer,
    now() - number % 1000 * interval '1 day', now()
from generate_series(1, :count::integer) number;

-- name: insert_emails
-- One address each.
insert into customer_emails (customer_id, email, is_primary, is_valid)
select md5('customer' || number)::uuid, 'customer' || number || '@example.com', true, true
from generate_series(1, :count::integer) number;

-- name: insert_phones
-- One mobile number each.
insert into customer_phones (customer_id, phone_e164, is_primary)
select md5('customer' || number)::uuid, '+3519' || lpad(number::text, 8, '0'), true
from generate_series(1, :count::integer) number;

-- name: insert_addresses
-- One postal address each.
insert into customer_addresses (customer_id, line_1, suburb, state, postcode, country, is_primary)
select md5('customer' || number)::uuid, number || ' Long Road', 'Lisboa', null, '1100-053', 'PT', true
from generate_series(1, :count::integer) number;

-- name: insert_metrics
-- Orders and money, without fractions below one (each costs requests of its own).
insert into customer_engagement_metrics (
    customer_id, lifetime_orders, lifetime_net, first_seen_at, last_order_at, most_recent_event_name, preferred_venue
)
select
    md5('customer' || number)::uuid, number % 7 + 1, number % 500 + 10.5, now() - interval '2 years',
    now() - number % 170 * interval '1 day', 'Summer Jam', 'The Long Hall'
from generate_series(1, :count::integer) number;

-- name: insert_segments
-- The four that Mautic knows.
insert into segments (slug, name)
select slug, initcap(slug) from unnest(array['vip', 'regular', 'new', 'inactive']) slug
on conflict do nothing;

-- name: insert_links
-- Every customer belongs to one segment.
insert into customer_segment_links (customer_id, segment_id)
select md5('customer' || number)::uuid, segment.id
from generate_series(1, :count::integer) number
join segments segment on segment.slug = (array['vip', 'regular', 'new', 'inactive'])[number % 4 + 1];

-- name: insert_opt_outs
-- Every twentieth of them unsubscribed once.
insert into consent_events (org_id, channel, address, kind, source, source_event, occurred_at)
select
    default_org_id(), 'email', normalise_address('customer' || number || '@example.com'), 'opt_out', 'bench',
    'opt-out-' || number, now() - interval '1 day'
from generate_series(20, :count::integer, 20) number;

-- name: confirm_everybody
-- As after a sync that reached everybody; contact ids are handed out as the addresses are numbered.
insert into mautic_sync_status (customer_id, mautic_contact_id, sync_hash, last_synced_at, segments)
select
    source.customer_id,
    substring(source.email from '\d+')::integer,
    :mapping_version || ':' || source.fingerprint,
    now(),
    source.customer_segments
from mautic_sync_source source;

-- name: forget_changes
-- The dirty list as a run leaves it.
with bulk as (delete from mautic_dirty_bulk)
delete from mautic_dirty;

-- name: change_customers
-- A new name for customers 1 to :count: memberships stay as they are.
update customer_profiles
set first_name = first_name || ' the Second', updated_at = now()
where id in (select md5('customer' || number)::uuid from generate_series(1, :count::integer) number);
