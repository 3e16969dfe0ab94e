-- Who was erased stays away: the ledger keeps a salted hash of the address, and every way back in looks there.
set local lock_timeout = '5s';

-- Once an installation: with another salt all earlier erasures would be forgotten. Two random UUIDs: 244 random bits.
insert into installation_settings (key, value)
values ('erasure_salt', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
on conflict do nothing;

-- Python's crm_relay.consent.erase.erased_key does the same. The salt is an argument so that the planner can inline this.
create or replace function erased_key(mark text, salt text) returns text
language sql stable parallel safe
as $$ select 'sha256:' || encode(sha256(convert_to(salt || ':' || mark, 'UTF8')), 'hex') $$;

-- Also what makes "has anybody been erased at all?" a look at an empty index.
create index if not exists idx_consent_events_erased on consent_events (channel, address) where kind = 'erased';

-- Whether `mark` (a normalised address, a phone number, a customer's id) was erased and nobody consented since; without an
-- organization anybody's consent counts. As definer: the salt is not for everybody's eyes.
create or replace function is_erased(wanted_org uuid, wanted_channel text, mark text) returns boolean
language plpgsql stable security definer set search_path = public, pg_temp
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
                    and granted.occurred_at >= erased.occurred_at
            )
    );
end
$$;

-- Those of `marks` that were erased, for whoever is about to store a text in which they stand.
create or replace function erased_among(marks text[]) returns text[]
language plpgsql stable security definer set search_path = public, pg_temp
as $$
begin
    if not exists (select from consent_events where kind = 'erased') then
        return '{}';
    end if;
    return array(select mark from unnest(marks) as mark where is_erased(null, 'email', mark));
end
$$;

-- They would tell anybody who was erased.
revoke all on function is_erased(uuid, text, text), erased_among(text[]) from public, anon, authenticated;
grant execute on function is_erased(uuid, text, text), erased_among(text[]) to service_role, crm_relay;

-- An erasure holds for the whole installation, as bounces and complaints do. The address itself is nowhere any more, so the
-- one that is asked for is hashed; while nobody was erased that costs nothing, since the subquery is asked once.
create or replace function suppression(wanted_org uuid, wanted_channel text, wanted_address text)
returns table (suppressed_by text, consented_at timestamptz)
language sql stable
as $$
    with cleared as (
        select max(occurred_at) as at
        from consent_events
        where channel = wanted_channel and address = wanted_address and org_id = wanted_org and kind = 'consent'
    )
    select
        (
            select event.kind
            from consent_events event
            where event.channel = wanted_channel
                and event.address in (
                    wanted_address,
                    case when (select exists (select from consent_events where kind = 'erased')) then
                        erased_key(wanted_address, (select value from installation_settings where key = 'erasure_salt'))
                    end
                )
                and event.kind <> 'consent'
                and (event.org_id = wanted_org or event.kind in ('hard_bounce', 'complaint', 'erased'))
                and event.occurred_at > coalesce(cleared.at, '-infinity')
            order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind)
            limit 1
        ),
        cleared.at
    from cleared
$$;

-- The same view but for one line: who was erased may not be contacted, and so is never made anew in Mautic.
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
            when profile.opted_out_at > coalesce(consent.consented_at, '-infinity') then 1
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

-- An erased address is refused by name, so that an import stops where somebody sees it; the message has the customers' ids.
-- An import that should go on without such rows says `set local app.erased_addresses = 'skip'` and is told how many they
-- were. A recorded consent opens the door again. Once a statement: a row by itself would pay for the question each time.
create or replace function refuse_erased_address() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
create or replace trigger refuse_erased_address_insert after insert on customer_emails
    referencing new table as after_rows
    for each statement execute function refuse_erased_address();
create or replace trigger refuse_erased_address_update after update on customer_emails
    referencing old table as before_rows new table as after_rows
    for each statement execute function refuse_erased_address();

-- What still arrives about somebody who was erased (a late opt-out, an old list) is filed under the hash.
create or replace function hide_erased_address() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
create or replace trigger hide_erased_address before insert on consent_events
    for each row when (new.kind not in ('consent', 'erased')) execute function hide_erased_address();

-- An erased person's events are cut out of what is kept; the text is not the one that was signed any more.
alter table webhook_inbox add column if not exists redacted_at timestamptz;
alter table failed_tasks add column if not exists redacted_at timestamptz;
comment on column webhook_inbox.redacted_at is 'When the events of an erased person were cut out of the body.';
comment on column failed_tasks.redacted_at is 'When the events of an erased person were cut out of the payload.';

comment on function erased_key(text, text) is 'What the ledger keeps of somebody who was erased: a salted hash.';
