-- name: erase_engagement
-- The person's events, and those that waited for somebody with that address or that contact.
delete from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    )
returning event_type;

-- name: count_engagement
-- What erase_engagement would delete.
select count(*)::integer as events
from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    );

-- name: latest_engagement
-- The person's newest events, and apart from them those that wait for a customer under such an address or contact.
with mine as materialized (
    select id, customer_id, event_type, occurred_at, campaign_name, mautic_contact_id, address, is_machine, verdict
    from customer_email_engagement
    where customer_id = any (:customer_ids::uuid[])
    union all
    select id, customer_id, event_type, occurred_at, campaign_name, mautic_contact_id, address, is_machine, verdict
    from customer_email_engagement
    where customer_id is null
        and (address = any (:addresses::text[]) or mautic_contact_id = any (:contact_ids::integer[]))
),
placed as (
    select *, row_number() over (partition by customer_id is null order by occurred_at desc, id) as place from mine
)
select
    customer_id is null as is_waiting, event_type as kind, occurred_at, campaign_name, is_machine, verdict, address,
    mautic_contact_id, customer_id
from placed
where place <= :limit
order by occurred_at desc, id;

-- name: engagement_counts
-- All of them by kind, beside the few that are told one by one.
select
    customer_id is null as is_waiting,
    event_type as kind,
    count(*)::integer as events,
    count(*) filter (where is_machine)::integer as by_machines,
    max(occurred_at) as last_at
from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (address = any (:addresses::text[]) or mautic_contact_id = any (:contact_ids::integer[]))
    )
group by 1, 2
order by 1, 2;

-- name: bounces_of
-- What counted bounces have made of each address.
select customer_id, coalesce(normalise_address(email), email) as address, bounce_count, is_valid is not false as is_valid
from customer_emails
where customer_id = any (:customer_ids::uuid[])
order by customer_id, is_primary is true desc, first_seen_at, id;
