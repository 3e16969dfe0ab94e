-- Everybody who opted out before opt-outs followed the person, and customers who were here before the installation with
-- do_not_contact. Each statement goes over the rows that opted out and by indexes, so that no large table is rewritten or locked.
set local lock_timeout = '5s';

-- These are not in the ledger: its trigger sees a column that changes.
update customer_profiles set opted_out_at = now() where do_not_contact is true and opted_out_at is null;

insert into consent_events (org_id, channel, address, kind, source, occurred_at)
select owner.org_id, 'email', owner.address, 'opt_out', 'crm', max(owner.opted_out_at)
from (
    select
        coalesce(profile.org_id, default_org_id()) as org_id, normalise_address(mail.email) as address,
        least(profile.opted_out_at, now()) as opted_out_at
    from customer_profiles profile
    join customer_emails mail on mail.customer_id = profile.id
    where profile.opted_out_at is not null
) owner
where owner.address is not null
    and not exists (
        select
        from consent_events known
        where known.channel = 'email' and known.address = owner.address and known.org_id = owner.org_id
            and (known.kind = 'opt_out' or known.kind = 'consent')
            and consent_effective_at(known.occurred_at, known.recorded_at) >= owner.opted_out_at
    )
group by owner.org_id, owner.address;

insert into contact_opt_outs (contact_id, channel, opted_out_at)
select person.id, event.channel, max(consent_effective_at(event.occurred_at, event.recorded_at))
from consent_events event
cross join lateral (
    select contact.id from contacts contact
    where event.channel = 'email' and normalise_address(contact.email) = event.address
    union
    select contact.id from contacts contact where event.channel = 'sms' and normalise_phone(contact.phone) = event.address
    union
    select mail.contact_id from email_sends mail where event.channel = 'email' and mail.address = event.address
    union
    select message.contact_id from sms_sends message where event.channel = 'sms' and message.to_number = event.address
) concerned
join contacts person on person.id = concerned.id
where (event.kind = 'complaint' or event.kind = 'opt_out' and event.org_id = person.org_id)
    and not consented_since(
        person.org_id, event.channel, event.address, consent_effective_at(event.occurred_at, event.recorded_at)
    )
group by person.id, event.channel
on conflict (contact_id, channel) do update
    set opted_out_at = excluded.opted_out_at
    where contact_opt_outs.opted_out_at < excluded.opted_out_at;
