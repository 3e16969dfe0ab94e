-- name: organizations
-- Which one an import is for is never guessed where there are several.
select id, name from organizations order by name, id limit 21;

-- name: hold_imports
-- One batch at a time: no index keeps two imports from creating the same person twice.
select pg_advisory_xact_lock(hashtextextended('crm-relay import ' || cast(:org as text), 0));

-- name: hold_erasures
-- Until the batch is committed no erasure looks for what it has to take away: what the batch read as not erased may be just that.
select pg_advisory_xact_lock_shared(hashtextextended('imports and erasures', 59)) is null as is_held;

-- name: wait_for_batches
-- Behind the commit that blocks somebody's return: batches that began before it have ended, and later ones see it.
select pg_advisory_xact_lock(hashtextextended('imports and erasures', 59)) is null as is_over;

-- name: plan_by_index
-- Until the end of the transaction: before they are analysed, growing tables are taken for small ones and read whole for each person.
select set_config(name, 'off', true) from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) as name;

-- name: lock_contacts
-- Before they are read, in the order of their ids.
select id
from contacts
where normalise_address(email) = any (cast(:addresses as text[])) and org_id = :org
order by id
for no key update;

-- name: read_contacts
-- Who has each address: of several the oldest who was not deleted.
select distinct on (normalise_address(email))
    normalise_address(email) as address, id, deleted_at is not null as is_deleted,
    jsonb_build_object(
        'first_name', first_name, 'last_name', last_name, 'phone', phone, 'company_name', company_name, 'title', title,
        'timezone', timezone, 'linkedin_url', linkedin_url
    ) as fields
from contacts
where normalise_address(email) = any (cast(:addresses as text[])) and org_id = :org
order by normalise_address(email), deleted_at is not null, created_at, id;

-- name: insert_contacts
-- People nobody has yet.
insert into contacts (
    id, org_id, email, first_name, last_name, phone, company_name, title, timezone, linkedin_url, created_at, updated_at
)
select
    id, :org, address, fields ->> 'first_name', fields ->> 'last_name', fields ->> 'phone', fields ->> 'company_name',
    fields ->> 'title', fields ->> 'timezone', fields ->> 'linkedin_url', :now, :now
from jsonb_to_recordset(:people) as it (id uuid, address text, fields jsonb)
order by id;

-- name: update_contacts
-- Columns that are named alone; somebody who was deleted comes back.
update contacts person
set
    first_name = coalesce(it.fields ->> 'first_name', person.first_name),
    last_name = coalesce(it.fields ->> 'last_name', person.last_name),
    phone = coalesce(it.fields ->> 'phone', person.phone),
    company_name = coalesce(it.fields ->> 'company_name', person.company_name),
    title = coalesce(it.fields ->> 'title', person.title),
    timezone = coalesce(it.fields ->> 'timezone', person.timezone),
    linkedin_url = coalesce(it.fields ->> 'linkedin_url', person.linkedin_url),
    deleted_at = null,
    updated_at = :now
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where person.id = it.id;

-- name: lock_prospects
-- Before they are read, in the order of their ids.
select id
from prospects
where normalise_address(contact_email) = any (cast(:addresses as text[])) and coalesce(org_id, default_org_id()) = :org
order by id
for no key update;

-- name: read_prospects
-- Who has each address: of several the oldest.
select distinct on (normalise_address(contact_email))
    normalise_address(contact_email) as address, id, false as is_deleted,
    jsonb_build_object(
        'name', name, 'contact_name', contact_name, 'contact_title', contact_title, 'phone', phone, 'website', website,
        'linkedin_url', linkedin_url, 'city', city, 'country', country, 'stage', stage, 'tier', tier, 'lead_source', lead_source
    ) as fields
from prospects
where normalise_address(contact_email) = any (cast(:addresses as text[])) and coalesce(org_id, default_org_id()) = :org
order by normalise_address(contact_email), archived, created_at, id;

-- name: insert_prospects
-- Prospects nobody has yet.
insert into prospects (
    id, org_id, contact_email, name, contact_name, contact_title, phone, website, linkedin_url, city, country, stage, tier,
    lead_source, created_at, updated_at
)
select
    id, :org, address, fields ->> 'name', fields ->> 'contact_name', fields ->> 'contact_title', fields ->> 'phone',
    fields ->> 'website', fields ->> 'linkedin_url', fields ->> 'city', fields ->> 'country', fields ->> 'stage',
    fields ->> 'tier', fields ->> 'lead_source', :now, :now
from jsonb_to_recordset(:people) as it (id uuid, address text, fields jsonb)
order by id;

-- name: update_prospects
-- Columns that are named alone.
update prospects person
set
    name = coalesce(it.fields ->> 'name', person.name),
    contact_name = coalesce(it.fields ->> 'contact_name', person.contact_name),
    contact_title = coalesce(it.fields ->> 'contact_title', person.contact_title),
    phone = coalesce(it.fields ->> 'phone', person.phone),
    website = coalesce(it.fields ->> 'website', person.website),
    linkedin_url = coalesce(it.fields ->> 'linkedin_url', person.linkedin_url),
    city = coalesce(it.fields ->> 'city', person.city),
    country = coalesce(it.fields ->> 'country', person.country),
    stage = coalesce(it.fields ->> 'stage', person.stage),
    tier = coalesce(it.fields ->> 'tier', person.tier),
    lead_source = coalesce(it.fields ->> 'lead_source', person.lead_source),
    updated_at = :now
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where person.id = it.id;

-- name: lock_customers
-- Before they are read, in the order of their ids.
select id
from customer_profiles
where coalesce(org_id, default_org_id()) = :org and id = any (array(
        select customer_id from customer_emails where normalise_address(email) = any (cast(:addresses as text[]))
    ))
order by id
for no key update;

-- name: read_customers
-- Who has each address: of several who has it as the first one, then the oldest. A limit would make the planner walk the key.
with mail as materialized (
    select customer_id, normalise_address(email) as address, is_primary
    from customer_emails
    where normalise_address(email) = any (cast(:addresses as text[]))
)
select distinct on (mail.address)
    mail.address, profile.id, false as is_deleted,
    jsonb_build_object(
        'first_name', profile.first_name, 'last_name', profile.last_name, 'date_of_birth', profile.date_of_birth,
        'phone', coalesce(normalise_phone(phone.phone_e164), phone.phone_e164), 'line_1', place.line_1, 'line_2', place.line_2,
        'suburb', place.suburb, 'city', place.city, 'state', place.state, 'postcode', place.postcode, 'country', place.country
    ) as fields
from mail
join customer_profiles profile on profile.id = mail.customer_id
left join lateral (
    select (array_agg(phone_e164 order by id))[1] as phone_e164
    from customer_phones
    where customer_id = profile.id and is_primary is true
) phone on true
left join customer_addresses place on place.id = (
    select (array_agg(id order by id))[1] from customer_addresses where customer_id = profile.id and is_primary is true
)
where coalesce(profile.org_id, default_org_id()) = :org
order by mail.address, mail.is_primary is true desc, profile.created_at, profile.id;

-- name: insert_customers
-- Profiles of customers nobody has yet; their addresses follow.
insert into customer_profiles (id, org_id, first_name, last_name, date_of_birth, created_at, updated_at)
select id, :org, fields ->> 'first_name', fields ->> 'last_name', cast(fields ->> 'date_of_birth' as date), :now, :now
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
order by id;

-- name: insert_customer_emails
-- Of the new ones.
insert into customer_emails (customer_id, email, is_primary, first_seen_at)
select id, address, true, :now
from jsonb_to_recordset(:people) as it (id uuid, address text)
order by id;

-- name: update_customers
-- Columns that are named alone.
update customer_profiles person
set
    first_name = coalesce(it.fields ->> 'first_name', person.first_name),
    last_name = coalesce(it.fields ->> 'last_name', person.last_name),
    date_of_birth = coalesce(cast(it.fields ->> 'date_of_birth' as date), person.date_of_birth),
    updated_at = :now
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where person.id = it.id;

-- name: update_customer_phones
-- The first number of customers who have one.
update customer_phones number
set phone_e164 = it.fields ->> 'phone'
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where it.fields ? 'phone' and number.id = (
        select (array_agg(kept.id order by kept.id))[1]
        from customer_phones kept
        where kept.customer_id = it.id and kept.is_primary is true
    );

-- name: insert_customer_phones
-- The first number of customers who have none.
insert into customer_phones (customer_id, phone_e164, is_primary, first_seen_at)
select it.id, it.fields ->> 'phone', true, :now
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where it.fields ? 'phone'
    and not exists (select from customer_phones kept where kept.customer_id = it.id and kept.is_primary is true)
order by it.id;

-- name: update_customer_addresses
-- The first postal address of customers who have one, columns that are named alone.
update customer_addresses place
set
    line_1 = coalesce(it.fields ->> 'line_1', place.line_1),
    line_2 = coalesce(it.fields ->> 'line_2', place.line_2),
    suburb = coalesce(it.fields ->> 'suburb', place.suburb),
    city = coalesce(it.fields ->> 'city', place.city),
    state = coalesce(it.fields ->> 'state', place.state),
    postcode = coalesce(it.fields ->> 'postcode', place.postcode),
    country = coalesce(it.fields ->> 'country', place.country)
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where it.fields ?| array['line_1', 'line_2', 'suburb', 'city', 'state', 'postcode', 'country']
    and place.id = (
        select (array_agg(kept.id order by kept.id))[1]
        from customer_addresses kept
        where kept.customer_id = it.id and kept.is_primary is true
    );

-- name: insert_customer_addresses
-- The first postal address of customers who have none.
insert into customer_addresses (customer_id, line_1, line_2, suburb, city, state, postcode, country, is_primary)
select
    it.id, it.fields ->> 'line_1', it.fields ->> 'line_2', it.fields ->> 'suburb', it.fields ->> 'city', it.fields ->> 'state',
    it.fields ->> 'postcode', it.fields ->> 'country', true
from jsonb_to_recordset(:people) as it (id uuid, fields jsonb)
where it.fields ?| array['line_1', 'line_2', 'suburb', 'city', 'state', 'postcode', 'country']
    and not exists (select from customer_addresses kept where kept.customer_id = it.id and kept.is_primary is true)
order by it.id;

-- name: read_consent
-- Who was erased, and what the ledgers and all contacts with one of the addresses say, deleted ones too.
with theirs as materialized (
    select id, normalise_address(email) as address
    from contacts
    where normalise_address(email) = any (cast(:addresses as text[])) and org_id = :org
)
select
    cast((select erased_among(cast(:addresses as text[]))) as text[]) as erased,
    (
        select coalesce(jsonb_agg(to_jsonb(fact)), '[]')
        from consent_facts('email', cast(:addresses as text[]), array(select id from theirs)) fact
    ) as facts,
    (select coalesce(jsonb_object_agg(id, address), '{}') from theirs) as addresses_of_contacts;
