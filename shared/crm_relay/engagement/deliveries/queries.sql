-- name: lock_addresses
-- Addresses that bounce, no matter who has them: their counts decide, and no other delivery may move them meanwhile.
select id
from customer_emails
where normalise_address(email) = any (:addresses::text[])
order by id
for no key update;

-- name: known_events
-- Events that were stored before.
select event_key from customer_email_engagement where event_key = any (:keys::text[]);

-- name: named_customers
-- Customers that events name by id. Numbers are read only where somebody asks for it.
select
    profile.id as customer_id,
    nullif(profile.org_id, default_org_id()) as org_id,
    case when :with_phones then array(
        select phone.phone_e164
        from customer_phones phone
        where phone.customer_id = profile.id
        order by phone.is_primary desc, phone.id
    ) else '{}' end as phones
from customer_profiles profile
where profile.id = any (:ids::uuid[]);

-- name: address_holders
-- Who has these addresses, and what bounces have made of them.
select
    normalise_address(mail.email) as address,
    mail.id as email_id,
    mail.customer_id,
    nullif(owner.org_id, default_org_id()) as org_id,
    owner.created_at,
    mail.bounce_count as bounces,
    mail.is_valid is not false as is_valid
from customer_emails mail
join customer_profiles owner on owner.id = mail.customer_id
where normalise_address(mail.email) = any (:addresses::text[])
order by mail.id;

-- name: consents
-- The latest consent for each of these addresses, by organization.
select
    address, nullif(org_id, default_org_id()) as org_id, max(consent_effective_at(occurred_at, recorded_at)) as consented_at
from consent_events
where channel = 'email' and kind = 'consent' and address = any (:addresses::text[])
group by address, org_id;

-- name: latest_bounces
-- The latest bounce of each customer who has one of these addresses.
select distinct on (bounce.customer_id, bounce.address) bounce.customer_id, bounce.address, bounce.event_key, bounce.occurred_at
from customer_emails mail
join customer_email_engagement bounce
    on bounce.customer_id = mail.customer_id and bounce.address = normalise_address(mail.email) and bounce.event_type = 'bounce'
where normalise_address(mail.email) = any (:addresses::text[])
order by bounce.customer_id, bounce.address, bounce.occurred_at desc, bounce.event_key desc;

-- name: known_numbers
-- Opt-outs from text messages that are in the ledger already, and without an address those that wait.
select source_event as event_key, address, nullif(org_id, default_org_id()) as org_id
from consent_events
where source = 'mautic' and channel = 'sms' and kind = 'opt_out' and source_event = any (:keys::text[])
union all
select source_event, null, null from waiting_opt_outs where source = 'mautic' and source_event = any (:keys::text[]);

-- name: erased_numbers
-- Numbers of erased persons; of addresses and customer ids the inbox says it.
select number from unnest(:numbers::text[]) as listed (number) where is_erased(null, 'sms', number);

-- name: erased_marks
-- Addresses and customer ids of erased persons, where no inbox has said it.
select erased_among(:marks::text[]) as erased;

-- name: waiting_contacts
-- Contacts of events that wait for their customer. As JSON, since there may be as many as Mautic has contacts.
select
    count(*)::integer as events,
    coalesce(jsonb_agg(distinct mautic_contact_id) filter (where mautic_contact_id is not null), '[]') as contact_ids
from customer_email_engagement
where customer_id is null;

-- name: claim_waiting
-- Events that wait and whose contact is known by now, or whose address somebody has; of `ids`, or all. What they say never changes.
with found as materialized (
    select waiting.id
    from customer_email_engagement waiting
    where waiting.customer_id is null
        and (
            waiting.mautic_contact_id in (
                select cast(contact_id as integer) from jsonb_array_elements_text(:contact_ids) as known (contact_id)
            )
            -- One look-up in the index each; as `exists` it might read every address of the installation.
            or (select mail.id from customer_emails mail where normalise_address(mail.email) = waiting.address limit 1) is not null
        )
)
select waiting.id, waiting.event_key, waiting.event_type, waiting.occurred_at, waiting.mautic_contact_id, waiting.address
from found
join customer_email_engagement waiting on waiting.id = found.id and waiting.customer_id is null
where cast(:ids as uuid[]) is null or waiting.id = any (cast(:ids as uuid[]))
order by waiting.id
limit :limit
for no key update of waiting;

-- name: give_waiting
-- To the customers who are known by now; the rows were locked before.
update customer_email_engagement waiting
set customer_id = given.customer_id
from jsonb_to_recordset(:given) as given (id uuid, customer_id uuid)
where waiting.id = given.id;

-- name: add_events
-- In the order of their keys. A plain insert: the unique index refuses an event that another transaction has just added.
insert into customer_email_engagement (
    event_key, customer_id, event_type, campaign_name, email_subject, link_url, occurred_at, mautic_email_id, mautic_contact_id,
    address, is_machine, verdict, raw_payload
)
values :events as event (
    event_key text, customer_id uuid, event_type text, campaign_name text, email_subject text, link_url text,
    occurred_at timestamptz, mautic_email_id text, mautic_contact_id integer, address text, is_machine boolean, verdict text,
    raw_payload jsonb
);

-- name: stamp_opt_outs
-- A stamp only moves forward, wherever others have moved it since.
with to_stamp as materialized (
    select profile.id, stamp.at, stamp.in_person
    from :stamps as stamp (customer_id uuid, at timestamptz, in_person boolean)
    join customer_profiles profile on profile.id = stamp.customer_id
    where profile.opted_out_at is null
        or profile.opted_out_at < stamp.at
        or (stamp.in_person and profile.marketing_opt_in is distinct from false)
    order by profile.id
    for no key update of profile
)
update customer_profiles profile
set
    marketing_opt_in = case when to_stamp.in_person then false else profile.marketing_opt_in end,
    -- A stamp that stays as it is would tell the trigger on this table that the application had set the column.
    opted_out_at = case
        when profile.opted_out_at >= to_stamp.at
        then least(profile.opted_out_at + interval '1 microsecond', timestamptz '9999-12-31 23:59:59.999999+00')
        else to_stamp.at
    end,
    updated_at = now()
from to_stamp
where profile.id = to_stamp.id;

-- name: opt_out_addresses
-- Of customers whose opt-out named no address: all of theirs, in the one way into the ledger.
select record_consent_events(coalesce(jsonb_agg(jsonb_build_object(
    'org_id', owner.org_id, 'channel', 'email', 'address', mail.email, 'kind', 'opt_out', 'source', 'mautic',
    'source_event', gone.event_key, 'occurred_at', gone.at
)), '[]')) as recorded
from :gone as gone (customer_id uuid, event_key text, at timestamptz)
join customer_profiles owner on owner.id = gone.customer_id
join customer_emails mail on mail.customer_id = gone.customer_id and normalise_address(mail.email) is not null;

-- name: count_bounces
-- Rows that were locked before.
update customer_emails mail
set
    bounce_count = mail.bounce_count + counted.times,
    is_valid = case when counted.mutes then false else mail.is_valid end
from :counts as counted (email_id uuid, times integer, mutes boolean)
where mail.id = counted.email_id;
