-- name: lock_customers
-- Anyone who may be written because of an event: by id, contact or address. Before their addresses and contacts, as a deletion does.
select profile.id
from customer_profiles profile
where profile.id in (
    select unnest(:customer_ids::uuid[])
    union all
    select customer_id from mautic_sync_status where mautic_contact_id = any (:contact_ids::integer[])
    union all
    select customer_id from mautic_former_contacts where mautic_contact_id = any (:contact_ids::integer[])
    union all
    select customer_id from customer_emails where normalise_address(email) = any (:addresses::text[])
)
order by profile.id
for no key update;

-- name: lock_contacts
-- Contacts that Mautic has deleted; behind this lock the sync confirms none of them.
select customer_id
from mautic_sync_status
where mautic_contact_id = any (:contact_ids::integer[])
order by customer_id
for no key update;

-- name: owners_of_contacts
-- Whose these contacts are or were. The customer's numbers are read only where somebody asks for it.
select
    contact.contact_id,
    contact.customer_id,
    contact.is_former,
    nullif(profile.org_id, default_org_id()) as org_id,
    case when :with_phones then array(
        select phone.phone_e164
        from customer_phones phone
        where phone.customer_id = profile.id
        order by phone.is_primary desc, phone.id
    ) else '{}' end as phones
from (
    select mautic_contact_id as contact_id, customer_id, false as is_former
    from mautic_sync_status
    where mautic_contact_id = any (:contact_ids::integer[])
    union all
    select mautic_contact_id, customer_id, true
    from mautic_former_contacts
    where mautic_contact_id = any (:contact_ids::integer[])
) contact
join customer_profiles profile on profile.id = contact.customer_id
order by contact.contact_id, contact.customer_id;

-- name: known_contacts
-- Which of these contacts are or were a customer's. As JSON, since there may be as many as Mautic has contacts.
with asked as materialized (
    select cast(contact_id as integer) as contact_id from jsonb_array_elements_text(:contact_ids) as listed (contact_id)
)
select contact_id
from asked
where exists (select from mautic_sync_status status where status.mautic_contact_id = asked.contact_id)
    or exists (select from mautic_former_contacts former where former.mautic_contact_id = asked.contact_id);

-- name: forget_deleted
-- The next sync makes them again. A status that has another contact by now is left alone.
update mautic_sync_status status
set
    mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true, dnc_reason = null, updated_at = now()
from :contacts as deleted (contact_id integer, customer_id uuid)
where status.customer_id = deleted.customer_id and status.mautic_contact_id = deleted.contact_id;

-- name: remember_deleted
-- Their events may still be on the way.
insert into mautic_former_contacts (mautic_contact_id, customer_id)
values :contacts as deleted (contact_id integer, customer_id uuid)
on conflict do nothing;

-- name: note_deleted
-- For the next sync to see them.
insert into mautic_dirty (customer_id)
values :customers as noted (customer_id uuid);
