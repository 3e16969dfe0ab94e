-- An opt-out belongs to the person: it follows a contact to the next address or number, as opted_out_at follows a customer, and a
-- campaign respects what the CRM says of its customers.
set local lock_timeout = '5s';

create table if not exists contact_opt_outs (
    contact_id uuid not null references contacts (id) on delete cascade,
    channel text not null check (channel in ('email', 'sms')),
    opted_out_at timestamptz not null,
    primary key (contact_id, channel)
);
select secure_table('contact_opt_outs', 'exists (
    select from contacts person where person.id = contact_opt_outs.contact_id and person.org_id = (select current_org()))');
comment on table contact_opt_outs is
    'Contacts who opted out of a channel, at any address of theirs; cleared only by a recorded consent for the present one.';

-- Whether somebody consented after that moment, at that address.
create or replace function consented_since(wanted_org uuid, wanted_channel text, wanted_address text, since timestamptz)
returns boolean
language sql stable
as $$
    select exists (
        select
        from consent_events granted
        where granted.channel = wanted_channel and granted.address = wanted_address and granted.org_id = wanted_org
            and granted.kind = 'consent' and consent_effective_at(granted.occurred_at, granted.recorded_at) > since
    )
$$;

-- Whatever door an opt-out or a complaint comes in by. Planned without sequential scans: see is_erased.
create or replace function note_contact_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
    set enable_mergejoin = off
as $$
begin
    insert into contact_opt_outs (contact_id, channel, opted_out_at)
    select person.id, event.channel, max(event.occurred_at)
    from after_rows event
    cross join lateral (
        select contact.id, contact.org_id from contacts contact
        where event.channel = 'email' and normalise_address(contact.email) = event.address
        union all
        select contact.id, contact.org_id from contacts contact
        where event.channel = 'sms' and normalise_phone(contact.phone) = event.address
    ) person
    where (event.kind = 'complaint' or event.kind = 'opt_out' and event.org_id = person.org_id)
        and not consented_since(person.org_id, event.channel, event.address, event.occurred_at)
    group by person.id, event.channel
    order by person.id, event.channel
    on conflict (contact_id, channel) do update
        set opted_out_at = excluded.opted_out_at
        where contact_opt_outs.opted_out_at < excluded.opted_out_at;
    return null;
end
$$;
create or replace trigger note_contact_opt_out after insert on consent_events
    referencing new table as after_rows
    for each statement execute function note_contact_opt_out();

-- Somebody whose address or number was changed since has got mail or a text at the one that opted out.
create or replace function note_mailed_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
    set enable_mergejoin = off
as $$
begin
    insert into contact_opt_outs (contact_id, channel, opted_out_at)
    select person.id, event.channel, max(event.occurred_at)
    from after_rows event
    cross join lateral (
        select mail.contact_id from email_sends mail where event.channel = 'email' and mail.address = event.address
        union
        select message.contact_id from sms_sends message where event.channel = 'sms' and message.to_number = event.address
    ) written_to
    join contacts person on person.id = written_to.contact_id
    where (event.kind = 'complaint' or event.kind = 'opt_out' and event.org_id = person.org_id)
        and not consented_since(person.org_id, event.channel, event.address, event.occurred_at)
    group by person.id, event.channel
    order by person.id, event.channel
    on conflict (contact_id, channel) do update
        set opted_out_at = excluded.opted_out_at
        where contact_opt_outs.opted_out_at < excluded.opted_out_at;
    return null;
end
$$;
create or replace trigger note_mailed_opt_out after insert on consent_events
    referencing new table as after_rows
    for each statement execute function note_mailed_opt_out();

-- Somebody who came into the CRM after the opt-out of that address carries it on to the next one.
create or replace function keep_contact_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into contact_opt_outs (contact_id, channel, opted_out_at)
    select new.id, former.channel, max(consent_effective_at(event.occurred_at, event.recorded_at))
    from (
        values
            ('email', normalise_address(old.email), normalise_address(new.email)),
            ('sms', normalise_phone(old.phone), normalise_phone(new.phone))
    ) as former (channel, address, next_address)
    cross join lateral suppression(old.org_id, former.channel, former.address) state
    join consent_events event
        on event.channel = former.channel and event.address = former.address and event.kind in ('opt_out', 'complaint')
        and (event.org_id = old.org_id or event.kind = 'complaint')
    where former.address is distinct from former.next_address and state.suppressed_by in ('opt_out', 'complaint')
    group by former.channel
    on conflict (contact_id, channel) do update
        set opted_out_at = excluded.opted_out_at
        where contact_opt_outs.opted_out_at < excluded.opted_out_at;
    return null;
end
$$;
create or replace trigger keep_contact_opt_out after update on contacts
    for each row
    when (old.email is distinct from new.email or old.phone is distinct from new.phone)
    execute function keep_contact_opt_out();

-- A customer who is inserted as not to be contacted has opted out, as one who is changed to it later; there is no address yet.
create or replace function note_profile_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        new.opted_out_at := coalesce(new.opted_out_at, clock_timestamp());
    -- A webhook that sets the columns has stamped the profile and written its own event already.
    elsif new.opted_out_at is not distinct from old.opted_out_at then
        new.opted_out_at := clock_timestamp();
        insert into consent_events (org_id, channel, address, kind, source, occurred_at)
        select distinct coalesce(new.org_id, default_org_id()), 'email', normalise_address(email), 'opt_out', 'crm', clock_timestamp()
        from customer_emails
        where customer_id = new.id and normalise_address(email) is not null;
    end if;
    return new;
end
$$;
create or replace trigger note_profile_opt_out_insert before insert on customer_profiles
    for each row
    when (new.do_not_contact is true)
    execute function note_profile_opt_out();

-- A new or a changed address of a customer who opted out is muted with the person. Once a statement, as the dirty list.
create or replace function note_address_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into consent_events (org_id, channel, address, kind, source, occurred_at)
    select owner.org_id, 'email', owner.address, 'opt_out', 'crm', max(owner.opted_out_at)
    from (
        select
            coalesce(profile.org_id, default_org_id()) as org_id, normalise_address(mail.email) as address,
            least(profile.opted_out_at, clock_timestamp()) as opted_out_at
        from after_rows mail
        join customer_profiles profile on profile.id = mail.customer_id
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
    return null;
end
$$;
create or replace trigger note_address_opt_out_insert after insert on customer_emails
    referencing new table as after_rows
    for each statement execute function note_address_opt_out();
create or replace trigger note_address_opt_out_update after update on customer_emails
    referencing new table as after_rows
    for each statement execute function note_address_opt_out();

-- The one question before anything is sent: may this person be written to at this address? Null `suppressed_by`: yes. Its words
-- are the ledger's (erased, complaint, opt_out, hard_bounce); `known_from` says where it stands: the ledger, the contact (an
-- opt-out at a former address), or a customer with that address (who opted out, may not be contacted, or whose address is invalid).
-- `wanted_contact` is null for somebody who is no contact. Like suppression() it runs by indexes, inlined into the caller's query.
create or replace function recipient_suppression(
    wanted_org uuid, wanted_channel text, wanted_address text, wanted_contact uuid
) returns table (suppressed_by text, known_from text)
language sql stable
as $$
    select
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then ledger.suppressed_by
            when person.is_out or customer.is_out then 'opt_out'
            when ledger.suppressed_by is not null or customer.is_invalid then 'hard_bounce'
        end,
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then 'ledger'
            when person.is_out then 'contact'
            when customer.is_out then 'customer'
            when ledger.suppressed_by is not null then 'ledger'
            when customer.is_invalid then 'customer'
        end
    from (select consent_key(wanted_channel, wanted_address) as address) wanted
    left join lateral suppression(wanted_org, wanted_channel, wanted.address) ledger on true
    cross join lateral (
        select exists (
            select
            from contact_opt_outs stamp
            where stamp.contact_id = wanted_contact and stamp.channel = wanted_channel
                and stamp.opted_out_at >= coalesce(ledger.consented_at, '-infinity')
        ) as is_out
    ) person
    cross join lateral (
        select
            coalesce(bool_or(
                coalesce(profile.org_id, default_org_id()) = wanted_org
                and (
                    profile.do_not_contact is true
                    or wanted_channel = 'email' and profile.opted_out_at >= coalesce(ledger.consented_at, '-infinity')
                )
            ), false) as is_out,
            -- An address that bounced is dead for everybody.
            coalesce(bool_or(found.is_invalid), false) as is_invalid
        from (
            select mail.customer_id, mail.is_valid is false as is_invalid
            from customer_emails mail
            where wanted_channel = 'email' and normalise_address(mail.email) = wanted.address
            union all
            select phone.customer_id, false
            from customer_phones phone
            where wanted_channel = 'sms' and normalise_phone(phone.phone_e164) = wanted.address
        ) found
        join customer_profiles profile on profile.id = found.customer_id
    ) customer
$$;

revoke all on function
    consented_since(uuid, text, text, timestamptz), note_contact_opt_out(), note_mailed_opt_out(), keep_contact_opt_out(),
    note_address_opt_out(), recipient_suppression(uuid, text, text, uuid)
    from public, anon, authenticated;
grant execute on function consented_since(uuid, text, text, timestamptz), recipient_suppression(uuid, text, text, uuid)
    to service_role, crm_relay;
