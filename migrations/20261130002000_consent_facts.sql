-- What the ledgers know of addresses and people, as it stands there: the gate of sending and the claim of steps decide by it in
-- Python (consent/decisions.py). It has no rule. plpgsql keeps its plans for the session: the claim and each batch ask it, and
-- nearly nobody has anything.
set local lock_timeout = '5s';

create or replace function consent_facts(wanted_channel text, addresses text[], contacts uuid[])
returns table (address text, contact_id uuid, org_id uuid, kind text, occurred_at timestamptz, recorded_at timestamptz)
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
        least(greatest(event.recorded_at, first_time), last_time)
    from consent_events event
    where event.channel = wanted_channel and event.address = any (addresses);
    if exists (select from consent_events where kind = 'erased') then
        return query
        select
            mark.address, null::uuid, event.org_id, event.kind, least(greatest(event.occurred_at, first_time), last_time),
            least(greatest(event.recorded_at, first_time), last_time)
        from unnest(addresses) as mark (address)
        join consent_events event on event.channel = wanted_channel
            and event.address = erased_key(mark.address, (select value from installation_settings where key = 'erasure_salt'))
        where event.kind <> 'consent';
    end if;
    return query
    select
        null::text, stamp.contact_id, null::uuid, 'contact_opt_out', least(greatest(stamp.opted_out_at, first_time), last_time),
        null::timestamptz
    from contact_opt_outs stamp
    where stamp.contact_id = any (contacts) and stamp.channel = wanted_channel;
    if wanted_channel = 'email' then
        return query
        select
            normalise_address(mail.email), null::uuid, coalesce(profile.org_id, default_org_id()), said.kind,
            least(greatest(said.at, first_time), last_time), null::timestamptz
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
            null::timestamptz, null::timestamptz
        from customer_phones phone
        join customer_profiles profile on profile.id = phone.customer_id
        where normalise_phone(phone.phone_e164) = any (addresses) and profile.do_not_contact is true;
        if exists (select from waiting_opt_outs where channel = 'sms') then
            -- Whoever leaves text messages by a number without its country may have any number that ends in it.
            return query
            select
                mark.address, null::uuid, null::uuid, 'waiting_opt_out', least(greatest(gone.occurred_at, first_time), last_time),
                null::timestamptz
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
