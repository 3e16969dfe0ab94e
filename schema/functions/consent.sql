-- Functions of consent. Written by `make schema`: change it by a migration.


create function check_consent_event()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    new.address := consent_key(new.channel, new.address);
    if new.occurred_at > clock_timestamp() + consent_clock_tolerance() then
        if new.kind = 'consent' then
            raise exception 'a consent is dated ahead of the clock' using
                errcode = 'check_violation', table = tg_table_name, constraint = 'consent_events_not_in_future';
        end if;
        new.occurred_at := clock_timestamp();
    end if;
    return new;
end
$$;
revoke execute on function check_consent_event() from crm_relay, service_role;


create function consent_clock_tolerance()
    returns interval
    language sql
    immutable parallel safe
as $$ select interval '5 minutes' $$;
grant execute on function consent_clock_tolerance() to authenticated;


create function consent_effective_at(occurred_at timestamptz, recorded_at timestamptz)
    returns timestamptz
    language sql
    stable parallel safe
as $$ select least(occurred_at, recorded_at + consent_clock_tolerance()) $$;
grant execute on function consent_effective_at(timestamptz,timestamptz) to authenticated;


create function consent_facts(wanted_channel text, addresses text[], contacts uuid[])
    returns table(address text, contact_id uuid, org_id uuid, kind text, occurred_at timestamptz,
        recorded_at timestamptz, source text)
    language plpgsql
    stable rows 5
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_generic_plan'
    set enable_seqscan to 'off'
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


create function consent_key(channel text, address text)
    returns text
    language sql
    immutable parallel safe
as $$
    select coalesce(case channel when 'email' then public.normalise_address(address) else public.normalise_phone(address) end, address)
$$;


create function consented_since(wanted_org uuid, wanted_channel text, wanted_address text, since timestamptz)
    returns boolean
    language sql
    stable
as $$
    select exists (
        select
        from consent_events granted
        where granted.channel = wanted_channel and granted.address = wanted_address and granted.org_id = wanted_org
            and granted.kind = 'consent' and consent_effective_at(granted.occurred_at, granted.recorded_at) > since
    )
$$;


create function erased_among(marks text[])
    returns text[]
    language plpgsql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    if not exists (select from consent_events where kind = 'erased') then
        return '{}';
    end if;
    return array(select mark from unnest(marks) as mark where is_erased(null, 'email', mark));
end
$$;


create function erased_key(mark text, salt text)
    returns text
    language sql
    stable parallel safe
as $$ select 'sha256:' || encode(sha256(convert_to(salt || ':' || mark, 'UTF8')), 'hex') $$;
comment on function erased_key(text,text) is 'What the ledger keeps of somebody who was erased: a salted hash.';


create function hide_erased_address()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    if is_erased(new.org_id, new.channel, new.address) then
        new.address := erased_key(new.address, (select value from installation_settings where key = 'erasure_salt'));
        if new.source_event is null and exists (
            select
            from consent_events known
            where known.channel = new.channel and known.address = new.address and known.org_id = new.org_id
                and known.kind = new.kind and known.source = new.source and known.occurred_at = new.occurred_at
        ) then
            return null;
        end if;
    end if;
    return new;
end
$$;
revoke execute on function hide_erased_address() from crm_relay, service_role;


create function holds_everywhere(kind text, source text)
    returns boolean
    language sql
    immutable parallel safe
as $$ select kind in ('complaint', 'erased') or kind = 'hard_bounce' and source = 'resend' $$;
grant execute on function holds_everywhere(text,text) to authenticated;


create function is_erased(wanted_org uuid, wanted_channel text, mark text)
    returns boolean
    language plpgsql
    stable security definer
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
as $$
begin
    if mark is null or not exists (select from consent_events where kind = 'erased') then
        return false;
    end if;
    return exists (
        select
        from consent_events erased
        where erased.kind = 'erased'
            and erased.channel = wanted_channel
            and erased.address = erased_key(mark, (select value from installation_settings where key = 'erasure_salt'))
            and not exists (
                select
                from consent_events granted
                where granted.channel = wanted_channel and granted.address = mark and granted.kind = 'consent'
                    and (wanted_org is null or granted.org_id = wanted_org)
                    and consent_effective_at(granted.occurred_at, granted.recorded_at)
                        > consent_effective_at(erased.occurred_at, erased.recorded_at)
            )
    );
end
$$;


create function keep_contact_opt_out()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function keep_contact_opt_out() from crm_relay, service_role;


create function note_address_opt_out()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
as $$
declare
    muted jsonb;
begin
    if tg_level = 'ROW' then
        select jsonb_agg(jsonb_build_object('org_id', profile.org_id, 'email', new.email, 'at', profile.opted_out_at)) into muted
        from customer_profiles profile
        where profile.id = new.customer_id and profile.opted_out_at is not null;
    else
        select jsonb_agg(jsonb_build_object('org_id', profile.org_id, 'email', mail.email, 'at', profile.opted_out_at)) into muted
        from after_rows mail
        join customer_profiles profile on profile.id = mail.customer_id and profile.opted_out_at is not null;
    end if;
    if muted is null then
        return null;
    end if;
    insert into consent_events (org_id, channel, address, kind, source, occurred_at)
    select owner.org_id, 'email', owner.address, 'opt_out', 'crm', max(owner.opted_out_at)
    from (
        select
            coalesce(org_id, default_org_id()) as org_id, normalise_address(email) as address,
            least(at, clock_timestamp()) as opted_out_at
        from jsonb_to_recordset(muted) as person (org_id uuid, email text, at timestamptz)
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
revoke execute on function note_address_opt_out() from crm_relay, service_role;


create function note_contact_opt_out()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
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
revoke execute on function note_contact_opt_out() from crm_relay, service_role;


create function note_profile_opt_out()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function note_profile_opt_out() from crm_relay, service_role;


create function recipient_suppression(wanted_org uuid, wanted_channel text, wanted_address text, wanted_contact uuid)
    returns table(suppressed_by text, known_from text)
    language sql
    stable
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


create function record_consent_events(events jsonb)
    returns integer
    language sql
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
as $$
    with given as (
        select distinct on (org_id, channel, address, kind, source, source_event, occurred_at) *
        from (
            select
                coalesce(org_id, default_org_id()) as org_id, channel, consent_key(channel, address) as address, kind, source,
                source_event, evidence, occurred_at
            from jsonb_to_recordset(events) as event (
                org_id uuid, channel text, address text, kind text, source text, source_event text, evidence text,
                occurred_at timestamptz
            )
        ) filed
    ),
    recorded as (
        insert into consent_events (org_id, channel, address, kind, source, source_event, evidence, occurred_at)
        select org_id, channel, address, kind, source, source_event, evidence, occurred_at
        from given
        -- Without an id of its source an event is known by all that it says.
        where source_event is not null or not exists (
            select
            from consent_events known
            where known.channel = given.channel and known.address = given.address
                and known.org_id = given.org_id and known.kind = given.kind
                and known.source = given.source and known.occurred_at = given.occurred_at
        )
        on conflict do nothing
        returning org_id, channel, address, kind, occurred_at
    ),
    opted_out as (
        select mail.customer_id, max(recorded.occurred_at) as at
        from recorded
        join customer_emails mail on normalise_address(mail.email) = recorded.address
        join customer_profiles owner on owner.id = mail.customer_id
        where recorded.channel = 'email'
            and (
                recorded.kind = 'complaint'
                or recorded.kind = 'opt_out' and coalesce(owner.org_id, default_org_id()) = recorded.org_id
            )
            -- What arrives late must not undo the consent that followed it.
            and not exists (
                select
                from consent_events later
                where later.channel = 'email' and later.address = recorded.address and later.kind = 'consent'
                    and later.org_id = coalesce(owner.org_id, default_org_id())
                    and consent_effective_at(later.occurred_at, later.recorded_at) > recorded.occurred_at
            )
            and not exists (
                select
                from given later
                where later.channel = 'email' and later.address = recorded.address and later.kind = 'consent'
                    and later.org_id = coalesce(owner.org_id, default_org_id())
                    and later.occurred_at > recorded.occurred_at
            )
        group by mail.customer_id
    ),
    stamped as (
        update customer_profiles profile
        set opted_out_at = opted_out.at
        from opted_out
        where profile.id = opted_out.customer_id
            and (profile.opted_out_at is null or profile.opted_out_at < opted_out.at)
    )
    select count(*)::integer from recorded
$$;


create function refuse_erased_address()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    wanted uuid[];
    refused uuid[];
    customers text;
begin
    if not exists (select from consent_events where kind = 'erased') then
        return null;
    end if;
    if tg_op = 'UPDATE' then
        wanted := array(
            select after_rows.id from after_rows join before_rows using (id)
            where after_rows.email is distinct from before_rows.email
        );
    end if;
    with suspects as materialized (
        select mail.id, mail.customer_id, normalise_address(mail.email) as address
        from after_rows mail
        where (tg_op = 'INSERT' or mail.id = any (wanted))
            and erased_key(normalise_address(mail.email), (select value from installation_settings where key = 'erasure_salt'))
                in (select address from consent_events where channel = 'email' and kind = 'erased')
    )
    select array_agg(suspects.id), string_agg(distinct suspects.customer_id::text, ', ')
    into refused, customers
    from suspects
    left join customer_profiles owner on owner.id = suspects.customer_id
    where is_erased(coalesce(owner.org_id, default_org_id()), 'email', suspects.address);
    if refused is null then
        return null;
    end if;
    if current_setting('app.erased_addresses', true) = 'skip' then
        with left_out as (delete from customer_emails where id = any (refused)) select null into customers;
        raise notice '% erased addresses were left out', cardinality(refused);
        return null;
    end if;
    raise exception '% addresses were erased (customers %)', cardinality(refused), left(customers, 500) using
        errcode = 'check_violation',
        table = tg_table_name,
        constraint = 'erased_address',
        hint = 'A recorded consent lifts this; an import may leave such rows out: set local app.erased_addresses = ''skip''.';
end
$$;
revoke execute on function refuse_erased_address() from crm_relay, service_role;


create function refuse_ledger_change()
    returns trigger
    language plpgsql
as $$
begin
    if current_setting('app.erasure', true) = 'on' then
        return coalesce(new, old);
    end if;
    raise exception 'consent_events is append-only' using errcode = 'check_violation';
end
$$;
revoke execute on function refuse_ledger_change() from crm_relay, service_role;


create function suppression(wanted_org uuid, wanted_channel text, wanted_address text)
    returns table(suppressed_by text, consented_at timestamptz)
    language sql
    stable
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
