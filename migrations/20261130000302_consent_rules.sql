-- No opt-out is dropped: an event is known by its kind and organization too, nothing is dated ahead of the database's clock, and
-- at one moment an opt-out wins over a consent.
set local lock_timeout = '5s';

-- How far the clock of whoever reports an event may run ahead of the database's.
create or replace function consent_clock_tolerance() returns interval
language sql immutable parallel safe
as $$ select interval '5 minutes' $$;

-- When an event counts. Lines from before this rule may be dated in a year to come: they count from when they were recorded.
create or replace function consent_effective_at(occurred_at timestamptz, recorded_at timestamptz) returns timestamptz
language sql stable parallel safe
as $$ select least(occurred_at, recorded_at + consent_clock_tolerance()) $$;

-- Years that the ledger's readers can hold. Older lines are looked at by the next migration.
do $$
begin
    if not exists (select from pg_constraint where conname = 'consent_events_readable_time') then
        alter table consent_events add constraint consent_events_readable_time check (
            occurred_at between timestamptz '0001-01-01 00:00:00+00' and timestamptz '9999-12-31 23:59:59.999999+00'
        ) not valid;
    end if;
end
$$;

-- Every door leads through here. A consent that is dated ahead is refused: it would outlive opt-outs that follow it. An opt-out
-- that is dated ahead counts from now, so that a provider's fast clock loses nobody's wish.
create or replace function check_consent_event() returns trigger
language plpgsql set search_path = public, pg_temp
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
-- The name sorts before hide_erased_address, which hashes the normalised form.
create or replace trigger check_consent_event before insert on consent_events
    for each row execute function check_consent_event();

-- The ledger's one way in, for SQL and Python alike: each event once; who opts out or complains is stamped too, so that a
-- change of address does not undo it. Returns how many were new.
create or replace function record_consent_events(events jsonb) returns integer
language sql set search_path = public, pg_temp
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
        set opted_out_at = greatest(profile.opted_out_at, opted_out.at)
        from opted_out
        where profile.id = opted_out.customer_id
    )
    select count(*)::integer from recorded
$$;

-- replaces: filter (where event.kind <> 'consent' and event.occurred_at > coalesce(cleared.at, '-infinity')))[1] as suppressed_by
-- replaces: join consent_events event on event.org_id = org.id or event.kind in ('hard_bounce', 'complaint')
-- replaces: select max(granted.occurred_at) as at
-- The state of every address. Among what holds, the events since the last recorded consent count, and those of its very moment.
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
join consent_events event on event.org_id = org.id or event.kind in ('hard_bounce', 'complaint', 'erased')
left join lateral (
    select max(consent_effective_at(granted.occurred_at, granted.recorded_at)) as at
    from consent_events granted
    where granted.channel = event.channel and granted.address = event.address
        and granted.org_id = org.id and granted.kind = 'consent'
) cleared on true
group by org.id, event.channel, event.address, cleared.at;

-- What the ledger says of one address, in whatever form it is asked for. An erased address is looked for by its hash; while
-- nobody was erased that costs nothing, since the subquery is asked once.
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
                and (event.org_id = wanted_org or event.kind in ('hard_bounce', 'complaint', 'erased'))
                and consent_effective_at(event.occurred_at, event.recorded_at) >= coalesce(cleared.at, '-infinity')
            order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind)
            limit 1
        ),
        cleared.at
    from cleared
$$;

-- Planned without sequential scans: a plan made while the ledger was empty would read all of it for each line of a long list.
create or replace function is_erased(wanted_org uuid, wanted_channel text, mark text) returns boolean
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off
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

-- Mautic's opt-outs and bounces: their lines are known by the longer identity, and a consent of the same moment changes nothing.
create or replace function apply_mautic_unsubscribes(event_ids uuid[]) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
begin
    with unsubscribed as (
        select
            concerned.customer_id, max(event.occurred_at) as at, bool_or(concerned.customer_id = event.customer_id) as in_person
        from customer_email_engagement event
        cross join lateral (
            -- Whoever shares the address keeps the own column, but the stamp follows to the next address.
            select event.customer_id
            union
            select mail.customer_id
            from customer_emails mail
            join customer_profiles holder on holder.id = mail.customer_id
            join customer_profiles person on person.id = event.customer_id
            where normalise_address(mail.email) = event.address and holder.org_id is not distinct from person.org_id
        ) concerned
        where event.id = any (event_ids)
            and event.event_type = 'unsubscribe'
            and event.customer_id is not null
            -- What arrives late must not undo the consent that followed it.
            and not exists (
                select
                from consent_events granted
                where granted.channel = 'email' and granted.address = event.address and granted.kind = 'consent'
                    and consent_effective_at(granted.occurred_at, granted.recorded_at) > event.occurred_at
            )
        group by concerned.customer_id
    ),
    to_stamp as materialized (
        select profile.id, unsubscribed.at, unsubscribed.in_person
        from unsubscribed
        join customer_profiles profile on profile.id = unsubscribed.customer_id
        where profile.opted_out_at is null
            or profile.opted_out_at < unsubscribed.at
            or (unsubscribed.in_person and profile.marketing_opt_in is distinct from false)
        order by profile.id
        for no key update of profile
    )
    update customer_profiles profile
    set
        marketing_opt_in = case when to_stamp.in_person then false else profile.marketing_opt_in end,
        -- A stamp that stays as it is would tell the trigger on this table that the application had set the column.
        opted_out_at = case
            when profile.opted_out_at >= to_stamp.at then profile.opted_out_at + interval '1 microsecond'
            else to_stamp.at
        end,
        updated_at = now()
    from to_stamp
    where profile.id = to_stamp.id;

    insert into consent_events (org_id, channel, address, kind, source, source_event, occurred_at)
    select
        coalesce(profile.org_id, default_org_id()), 'email', event.address, 'opt_out', 'mautic', event.event_key,
        event.occurred_at
    from customer_email_engagement event
    left join customer_profiles profile on profile.id = event.customer_id
    where event.id = any (event_ids) and event.event_type = 'unsubscribe' and event.address is not null
    order by event.event_key
    on conflict do nothing;
end
$$;

create or replace function apply_mautic_bounces(event_ids uuid[], max_bounces integer) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
begin
    with bounced as materialized (
        select event.customer_id, event.address, count(*)::integer as times
        from customer_email_engagement event
        where event.id = any (event_ids)
            and event.event_type = 'bounce'
            and event.customer_id is not null
            and event.address is not null
        group by event.customer_id, event.address
    ),
    to_count as materialized (
        select mail.id, bounced.customer_id, bounced.address, bounced.times, mail.is_valid is not false as was_valid
        from bounced
        join customer_emails mail
            on mail.customer_id = bounced.customer_id and normalise_address(mail.email) = bounced.address
        order by mail.id
        for no key update of mail
    ),
    counted as (
        update customer_emails mail
        set
            bounce_count = mail.bounce_count + to_count.times,
            is_valid = case when mail.bounce_count + to_count.times >= max_bounces then false else mail.is_valid end
        from to_count
        where mail.id = to_count.id
        returning to_count.customer_id, to_count.address, to_count.was_valid and mail.bounce_count >= max_bounces as became_invalid
    )
    insert into consent_events (org_id, channel, address, kind, source, source_event, occurred_at)
    select
        coalesce(profile.org_id, default_org_id()), 'email', invalidated.address, 'hard_bounce', 'mautic', latest.event_key,
        latest.occurred_at
    from (select distinct counted.customer_id, counted.address from counted where became_invalid) invalidated
    join customer_profiles profile on profile.id = invalidated.customer_id
    -- By its latest bounce, so that the order of the deliveries does not show in the ledger.
    cross join lateral (
        select bounce.event_key, bounce.occurred_at
        from customer_email_engagement bounce
        where bounce.event_type = 'bounce'
            and bounce.customer_id = invalidated.customer_id
            and bounce.address = invalidated.address
        order by bounce.occurred_at desc, bounce.event_key desc
        limit 1
    ) latest
    order by latest.event_key
    on conflict do nothing;
end
$$;

create or replace function apply_mautic_text_opt_outs(events jsonb, out processed integer, out unmatched integer)
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
begin
    with texted as materialized (
        select
            event.key,
            event.occurred_at,
            event.customer_id,
            coalesce(
                event.address,
                (
                    select phone.phone_e164
                    from customer_phones phone
                    where phone.customer_id = event.customer_id
                    order by phone.is_primary desc, phone.id
                    limit 1
                )
            ) as address
        from read_mautic_events(events) event
        where event.kind = 'sms_opt_out'
    ),
    ledger as (
        insert into consent_events (org_id, channel, address, kind, source, source_event, occurred_at)
        select
            coalesce(profile.org_id, default_org_id()), 'sms', texted.address, 'opt_out', 'mautic', texted.key,
            texted.occurred_at
        from texted
        left join customer_profiles profile on profile.id = texted.customer_id
        where texted.address is not null
        order by texted.key
        on conflict do nothing
        returning source_event
    )
    select (select count(*) from ledger), count(*) filter (where texted.address is null)
    into processed, unmatched
    from texted;
end
$$;

-- Only now: the older functions named this index's columns.
drop index if exists idx_consent_events_source;

-- replaces: when profile.opted_out_at > coalesce(consent.consented_at, '-infinity') then 1
-- The same view but for one line: a consent of the very moment of an opt-out does not lift it.
create or replace view mautic_sync_source with (security_invoker = true) as
select
    wanted.*,
    md5(concat_ws(
        E'\x1f',
        wanted.email, wanted.dnc_reason, wanted.consented_at is not null, wanted.do_not_contact,
        -- concat_ws leaves nulls out: a marker keeps neighbours from changing places unseen.
        coalesce(wanted.first_name, '~'), coalesce(wanted.last_name, '~'), coalesce(wanted.mobile, '~'),
        coalesce(wanted.landline, '~'), coalesce(wanted.address_line1, '~'), coalesce(wanted.address_line2, '~'),
        coalesce(wanted.suburb, '~'), coalesce(wanted.state, '~'), coalesce(wanted.postcode, '~'), coalesce(wanted.country, '~'),
        wanted.customer_segment, coalesce(wanted.lead_score::text, '~'), coalesce(wanted.total_orders::text, '~'),
        coalesce(trim_scale(wanted.total_spent)::text, '~'), coalesce(extract(epoch from wanted.last_order_date)::text, '~'),
        coalesce(wanted.last_event_name, '~'), coalesce(wanted.preferred_venue, '~'),
        coalesce(wanted.marketing_opt_in::text, '~'), extract(epoch from wanted.customer_since),
        array_to_string(wanted.customer_segments, ',')
    )) as fingerprint
from (
    select
        profile.id as customer_id,
        profile.created_at,
        mail.email,
        normalise_address(mail.email) as address,
        profile.do_not_contact is true or consent.suppressed_by is not distinct from 'erased' as do_not_contact,
        case
            when profile.do_not_contact is true then 3
            when consent.suppressed_by in ('opt_out', 'complaint', 'erased') then 1
            when profile.opted_out_at >= coalesce(consent.consented_at, '-infinity') then 1
            when consent.suppressed_by = 'hard_bounce' or mail.is_valid is false then 2
        end as dnc_reason,
        consent.consented_at,
        profile.first_name,
        profile.last_name,
        phone.mobile,
        phone.landline,
        place.line_1 as address_line1,
        place.line_2 as address_line2,
        place.suburb,
        place.state,
        place.postcode,
        place.country,
        case
            when profile.lead_score >= 20 then 'vip'
            when profile.lead_score >= 15 then 'regular'
            when metrics.lifetime_orders = 1 then 'new'
            when metrics.last_order_at < now() - interval '180 days' then 'inactive'
            else 'regular'
        end as customer_segment,
        profile.lead_score,
        metrics.lifetime_orders as total_orders,
        metrics.lifetime_net::numeric as total_spent,
        metrics.last_order_at as last_order_date,
        metrics.most_recent_event_name as last_event_name,
        metrics.preferred_venue,
        profile.marketing_opt_in,
        coalesce(metrics.first_seen_at, profile.created_at) as customer_since,
        membership.customer_segments
    from customer_profiles profile
    left join lateral (
        select email, is_valid
        from customer_emails
        where customer_id = profile.id
        order by is_primary is true desc, first_seen_at, id
        limit 1
    ) mail on true
    left join lateral (
        select
            max(phone_e164) filter (where is_primary is true) as mobile,
            max(phone_e164) filter (where is_primary is false) as landline
        from customer_phones
        where customer_id = profile.id
    ) phone on true
    left join lateral (
        select line_1, line_2, suburb, state, postcode, country
        from customer_addresses
        where customer_id = profile.id and is_primary is true
        order by id
        limit 1
    ) place on true
    left join customer_engagement_metrics metrics on metrics.customer_id = profile.id
    left join lateral (
        select coalesce(array_agg(distinct segment.slug order by segment.slug), '{}') as customer_segments
        from customer_segment_links link
        join segments segment on segment.id = link.segment_id
        where link.customer_id = profile.id
    ) membership on true
    left join lateral suppression(
        coalesce(profile.org_id, default_org_id()), 'email', normalise_address(mail.email)
    ) consent on true
) wanted;

revoke all on function
    consent_clock_tolerance(), consent_effective_at(timestamptz, timestamptz), check_consent_event() from public, anon, authenticated;
-- A view with its reader's rights uses them.
grant execute on function consent_clock_tolerance(), consent_effective_at(timestamptz, timestamptz)
    to authenticated, service_role, crm_relay;
