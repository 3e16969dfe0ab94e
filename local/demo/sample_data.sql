-- name: insert_segments
-- The four segments that Mautic knows, and one that stays here.
insert into segments (slug, name)
select slug, name from jsonb_to_recordset(:rows) as sample (slug text, name text)
on conflict do nothing;

-- name: insert_profiles
-- The customers themselves.
insert into customer_profiles
    (id, first_name, last_name, marketing_opt_in, do_not_contact, lead_score, created_at, updated_at)
select id, first_name, last_name, opt_in, do_not_contact, lead_score, created_at, created_at
from jsonb_to_recordset(:rows) as sample (
    id uuid, first_name text, last_name text, opt_in boolean, do_not_contact boolean, lead_score integer,
    created_at timestamptz
);

-- name: insert_emails
-- One address each, some none, some the same.
insert into customer_emails (customer_id, email, is_primary, first_seen_at, is_valid)
select id, email, true, created_at, is_valid
from jsonb_to_recordset(:rows) as sample (id uuid, email text, created_at timestamptz, is_valid boolean)
where email is not null;

-- name: insert_phones
-- A mobile number for most.
insert into customer_phones (customer_id, phone_e164, is_primary)
select id, mobile, true from jsonb_to_recordset(:rows) as sample (id uuid, mobile text) where mobile is not null;

-- name: insert_addresses
-- Postal addresses, with states and countries that Mautic may not know.
insert into customer_addresses (customer_id, line_1, suburb, city, state, postcode, country, is_primary)
select id, street, suburb, suburb, state, postcode, country, true
from jsonb_to_recordset(:rows) as sample (
    id uuid, street text, suburb text, state text, postcode text, country text
);

-- name: insert_metrics
-- Orders and money, zeros and fractions among them.
insert into customer_engagement_metrics (
    customer_id, lifetime_orders, lifetime_net, first_seen_at, last_order_at, most_recent_event_name, preferred_venue
)
select id, orders, spent, created_at, last_order, event, venue
from jsonb_to_recordset(:rows) as sample (
    id uuid, orders integer, spent numeric, created_at timestamptz, last_order timestamptz, event text, venue text
);

-- name: insert_links
-- Memberships.
insert into customer_segment_links (customer_id, segment_id)
select sample.id, segment.id
from jsonb_to_recordset(:rows) as sample (id uuid, segments jsonb)
cross join lateral jsonb_array_elements_text(sample.segments) wanted
join segments segment on segment.slug = wanted.value;
