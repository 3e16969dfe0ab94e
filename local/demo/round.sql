-- name: customers
-- How many there are.
select count(*) as n from customer_profiles;

-- name: sendable
-- Customers that Mautic should have: one for each usable address, the youngest, unless nobody may contact them.
select count(*) as n
from (
    select distinct on (lower(btrim(mail.email))) mail.email, profile.do_not_contact
    from customer_emails mail
    join customer_profiles profile on profile.id = mail.customer_id
    order by lower(btrim(mail.email)), profile.created_at desc, profile.id desc
) owner
where owner.do_not_contact is not true and owner.email ~ '^[[:ascii:]]+@[[:ascii:]]+$';

-- name: unsendable
-- Customers with an address that Mautic would mangle or refuse.
select count(*) as n
from customer_emails mail
join customer_profiles profile on profile.id = mail.customer_id
where profile.do_not_contact is not true and mail.email !~ '^[[:ascii:]]+@[[:ascii:]]+$';

-- name: muted
-- Customers to whom nothing may be sent.
select customer_id from mautic_sync_source where dnc_reason is not null;

-- name: events
-- Engagement of one kind.
select count(*) as n from customer_email_engagement where event_type = :kind;

-- name: opted_out
-- Of these contacts' customers, how many have opted out here.
select count(*) as n
from customer_profiles profile
join mautic_sync_status status on status.customer_id = profile.id
where status.mautic_contact_id = any (:contacts::integer[]) and profile.marketing_opt_in is false;

-- name: unapplied
-- Webhooks that were kept and have not had their effect.
select count(*) as n from webhook_inbox where applied_at is null;

-- name: edit
-- An everyday change.
update customer_profiles
set last_name = coalesce(last_name, '') || ' II'
where id in (select customer_id from mautic_sync_status where mautic_contact_id is not null order by customer_id limit :count);

-- name: opt_out
-- People who tell the shop that they have had enough.
update customer_profiles
set marketing_opt_in = false
where id in (
    select id from customer_profiles where marketing_opt_in and do_not_contact is not true order by id desc limit :count
);

-- name: delete
-- Customers who are removed from the CRM.
delete from customer_profiles
where id in (
    select customer_id from mautic_sync_status where mautic_contact_id is not null order by customer_id desc limit :count
);
