-- What one organization reports of an address suppresses it in that organization alone. Only what the installation itself saw
-- holds for all: a bounce that its sending service signed, since that service refuses the address to everybody; and complaints
-- and erasures. A bounce of a workspace in EmailBison, of Mautic, of a list that was imported or of a customer whose address the
-- CRM calls invalid is its organization's evidence.
set local lock_timeout = '5s';

-- As `_holds_everywhere` in crm_relay.consent.decisions.
create or replace function holds_everywhere(kind text, source text) returns boolean
language sql immutable parallel safe
as $$ select kind in ('complaint', 'erased') or kind = 'hard_bounce' and source = 'resend' $$;
revoke all on function holds_everywhere(text, text) from public, anon;
grant execute on function holds_everywhere(text, text) to authenticated, service_role, crm_relay;

-- replaces: join consent_events event on event.org_id = org.id or event.kind in ('hard_bounce', 'complaint', 'erased')
create or replace view consent_state with (security_invoker = true) as
select
    org.id as org_id,
    event.channel,
    event.address,
    (array_agg(event.kind order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind))
        filter (
            where event.kind <> 'consent'
                and consent_effective_at(event.occurred_at, event.recorded_at) >= coalesce(cleared.at, '-infinity')
        ))[1] as suppressed_by,
    cleared.at as consented_at
from organizations org
join consent_events event on event.org_id = org.id or holds_everywhere(event.kind, event.source)
left join lateral (
    select max(consent_effective_at(granted.occurred_at, granted.recorded_at)) as at
    from consent_events granted
    where granted.channel = event.channel and granted.address = event.address
        and granted.org_id = org.id and granted.kind = 'consent'
) cleared on true
group by org.id, event.channel, event.address, cleared.at;

create or replace function suppression(wanted_org uuid, wanted_channel text, wanted_address text)
returns table (suppressed_by text, consented_at timestamptz)
language sql stable
as $$
    with wanted as (
        select consent_key(wanted_channel, wanted_address) as address
    ),
    cleared as (
        select max(consent_effective_at(occurred_at, recorded_at)) as at
        from consent_events
        where channel = wanted_channel and address = (select address from wanted) and org_id = wanted_org and kind = 'consent'
    )
    select
        (
            select event.kind
            from consent_events event
            where event.channel = wanted_channel
                and event.address in (
                    (select address from wanted),
                    case when (select exists (select from consent_events where kind = 'erased')) then
                        erased_key(
                            (select address from wanted), (select value from installation_settings where key = 'erasure_salt')
                        )
                    end
                )
                and event.kind <> 'consent'
                and (event.org_id = wanted_org or holds_everywhere(event.kind, event.source))
                and consent_effective_at(event.occurred_at, event.recorded_at) >= coalesce(cleared.at, '-infinity')
            order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind)
            limit 1
        ),
        cleared.at
    from cleared
$$;

create or replace function recipient_suppression(
    wanted_org uuid, wanted_channel text, wanted_address text, wanted_contact uuid
) returns table (suppressed_by text, known_from text)
language sql stable
as $$
    select
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then ledger.suppressed_by
            when person.is_out or customer.is_out or waiting.is_out then 'opt_out'
            when ledger.suppressed_by is not null or customer.is_invalid then 'hard_bounce'
        end,
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then 'ledger'
            when person.is_out then 'contact'
            when customer.is_out then 'customer'
            when waiting.is_out then 'waiting'
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
            coalesce(bool_or(
                found.is_invalid and coalesce(profile.org_id, default_org_id()) = wanted_org
            ), false) as is_invalid
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
    cross join lateral (
        -- Only text messages: whoever leaves them by a number without its country may have any number that ends in it.
        select wanted_channel = 'sms' and exists (
            select
            from waiting_opt_outs opt_out
            where opt_out.channel = 'sms' and opt_out.occurred_at >= coalesce(ledger.consented_at, '-infinity')
                and (
                    opt_out.address = wanted.address
                    or opt_out.number_end in (
                        right(wanted.address, 6), right(wanted.address, 7), right(wanted.address, 8), right(wanted.address, 9)
                    )
                    or opt_out.customer_id in (
                        select phone.customer_id from customer_phones phone where normalise_phone(phone.phone_e164) = wanted.address
                    )
                )
        ) as is_out
    ) waiting
$$;

-- With the source of each event; the version that is running reads the columns that it knows by name.
drop function if exists consent_facts(text, text[], uuid[]);
create function consent_facts(wanted_channel text, addresses text[], contacts uuid[])
returns table (address text, contact_id uuid, org_id uuid, kind text, occurred_at timestamptz, recorded_at timestamptz, source text)
language plpgsql stable rows 5 set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    -- Python's clock knows neither infinity nor the years around it.
    first_time constant timestamptz := '0002-01-01T00:00:00Z';
    last_time constant timestamptz := '9998-12-31T00:00:00Z';
begin
    return query
    select
        event.address, null::uuid, event.org_id, event.kind, least(greatest(event.occurred_at, first_time), last_time),
        least(greatest(event.recorded_at, first_time), last_time), event.source
    from consent_events event
    where event.channel = wanted_channel and event.address = any (addresses);
    if exists (select from consent_events where kind = 'erased') then
        return query
        select
            mark.address, null::uuid, event.org_id, event.kind, least(greatest(event.occurred_at, first_time), last_time),
            least(greatest(event.recorded_at, first_time), last_time), event.source
        from unnest(addresses) as mark (address)
        join consent_events event on event.channel = wanted_channel
            and event.address = erased_key(mark.address, (select value from installation_settings where key = 'erasure_salt'))
        where event.kind <> 'consent';
    end if;
    return query
    select
        null::text, stamp.contact_id, null::uuid, 'contact_opt_out', least(greatest(stamp.opted_out_at, first_time), last_time),
        null::timestamptz, null::text
    from contact_opt_outs stamp
    where stamp.contact_id = any (contacts) and stamp.channel = wanted_channel;
    if wanted_channel = 'email' then
        return query
        select
            normalise_address(mail.email), null::uuid, coalesce(profile.org_id, default_org_id()), said.kind,
            least(greatest(said.at, first_time), last_time), null::timestamptz, null::text
        from customer_emails mail
        join customer_profiles profile on profile.id = mail.customer_id
        cross join lateral (
            values
                ('do_not_contact', null::timestamptz, profile.do_not_contact is true),
                ('customer_opt_out', profile.opted_out_at, profile.opted_out_at is not null),
                ('invalid_address', null, mail.is_valid is false)
        ) as said (kind, at, is_so)
        where normalise_address(mail.email) = any (addresses) and said.is_so;
    else
        return query
        select
            normalise_phone(phone.phone_e164), null::uuid, coalesce(profile.org_id, default_org_id()), 'do_not_contact',
            null::timestamptz, null::timestamptz, null::text
        from customer_phones phone
        join customer_profiles profile on profile.id = phone.customer_id
        where normalise_phone(phone.phone_e164) = any (addresses) and profile.do_not_contact is true;
        if exists (select from waiting_opt_outs where channel = 'sms') then
            -- Whoever leaves text messages by a number without its country may have any number that ends in it.
            return query
            select
                mark.address, null::uuid, null::uuid, 'waiting_opt_out', least(greatest(gone.occurred_at, first_time), last_time),
                null::timestamptz, null::text
            from unnest(addresses) as mark (address)
            cross join lateral (
                select occurred_at from waiting_opt_outs where channel = 'sms' and address = mark.address
                union all
                select occurred_at
                from waiting_opt_outs
                where channel = 'sms' and number_end in (
                    right(mark.address, 6), right(mark.address, 7), right(mark.address, 8), right(mark.address, 9)
                )
                union all
                select opt_out.occurred_at
                from customer_phones phone
                join waiting_opt_outs opt_out on opt_out.customer_id = phone.customer_id
                where opt_out.channel = 'sms' and normalise_phone(phone.phone_e164) = mark.address
            ) gone;
        end if;
    end if;
end
$$;
revoke all on function consent_facts(text, text[], uuid[]) from public, anon, authenticated;
grant execute on function consent_facts(text, text[], uuid[]) to service_role, crm_relay;
