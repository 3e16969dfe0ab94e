-- A delivery's events onto the customers, as functions: one long statement was planned anew for every delivery, which took
-- longer than its work. Here the step that every delivery takes is planned once a connection, and the others are taken only
-- where an event asks for them.
--
-- A plan that is kept may have been made while the tables were empty. `apply_mautic_events` therefore looks up by index,
-- whatever the size of the tables; the rarer steps, which have several indexes to choose from, are planned anew each time.
set local lock_timeout = '5s';

-- Whose event it is: by the customer's own id, the contact that is or was theirs, the address; null for nobody.
create or replace function customer_of_mautic_event(wanted_id uuid, wanted_contact integer, wanted_address text)
returns table (customer_id uuid)
language sql stable
as $$
    select coalesce(
        (select profile.id from customer_profiles profile where profile.id = wanted_id),
        (
            select status.customer_id
            from mautic_sync_status status
            where status.mautic_contact_id = wanted_contact
            order by status.customer_id
            limit 1
        ),
        (select former.customer_id from mautic_former_contacts former where former.mautic_contact_id = wanted_contact),
        (
            -- Of several customers with one address the youngest owns it, as in the sync.
            select mail.customer_id
            from customer_emails mail
            join customer_profiles owner on owner.id = mail.customer_id
            where normalise_address(mail.email) = wanted_address
            order by owner.created_at desc, owner.id desc
            limit 1
        )
    )
$$;

-- The events as crm_relay.engagement.store hands them over, each with its customer.
create or replace function read_mautic_events(events jsonb)
returns table (
    key text, kind text, occurred_at timestamptz, contact_id integer, address text, campaign_name text, email_subject text,
    link_url text, email_id text, is_machine boolean, verdict text, payload jsonb, customer_id uuid
)
language sql stable
as $$
    select
        raw.key, raw.kind, raw.occurred_at, known.contact_id, known.address, raw.campaign_name, raw.email_subject,
        known.link_url, raw.email_id, raw.is_machine, raw.verdict, known.payload, owner.customer_id
    from jsonb_to_recordset(events) as raw (
        key text, kind text, occurred_at timestamptz, contact_id integer, supabase_id uuid, address text,
        campaign_name text, email_subject text, link_url text, email_id text, is_machine boolean, verdict text, payload jsonb
    )
    cross join lateral (
        select
            case when raw.kind = 'sms_opt_out' then 'sms' else 'email' end as channel,
            case when raw.kind = 'sms_opt_out' then raw.address else normalise_address(raw.address) end as address
    ) filed
    -- Of somebody who was erased it is counted that something happened, and nothing else.
    cross join lateral (
        select
            raw.kind <> 'contact_deleted'
            and (is_erased(null, filed.channel, filed.address) or is_erased(null, 'email', raw.supabase_id::text)) as is_gone
        offset 0
    ) erasure
    cross join lateral (
        select
            case when not is_gone then raw.contact_id end as contact_id,
            case when not is_gone then raw.supabase_id end as supabase_id,
            case when not is_gone then filed.address end as address,
            case when not is_gone then raw.link_url end as link_url,
            case when not is_gone then raw.payload end as payload
    ) known
    cross join lateral customer_of_mautic_event(
        known.supabase_id, known.contact_id, case when raw.kind <> 'sms_opt_out' then known.address end
    ) owner
$$;

-- Of these stored events the unsubscribes: into the ledger, and a stamp for the person and for all who share the address.
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
                    and granted.occurred_at >= event.occurred_at
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
    on conflict (source, source_event, channel, address) where source_event is not null do nothing;
end
$$;

-- Of these stored events the bounces: counted on the address, which is invalid from `max_bounces` on.
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
    on conflict (source, source_event, channel, address) where source_event is not null do nothing;
end
$$;

-- Opt-outs of text messages; the number is the customer's first where the event has none.
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
        on conflict (source, source_event, channel, address) where source_event is not null do nothing
        returning source_event
    )
    select (select count(*) from ledger), count(*) filter (where texted.address is null)
    into processed, unmatched
    from texted;
end
$$;

-- Contacts that were deleted in Mautic: forgotten, remembered as former ones, and made anew by the next sync.
create or replace function apply_mautic_deletions(events jsonb, out processed integer, out ignored integer)
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
begin
    with deleted as materialized (
        select event.contact_id
        from jsonb_to_recordset(events) as event (kind text, contact_id integer)
        where event.kind = 'contact_deleted'
    ),
    gone as materialized (
        select status.customer_id, status.mautic_contact_id
        from mautic_sync_status status
        where status.mautic_contact_id in (select deleted.contact_id from deleted)
        order by status.customer_id
        for no key update
    ),
    forgotten as (
        update mautic_sync_status status
        set
            mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true, dnc_reason = null,
            updated_at = now()
        from gone
        where status.customer_id = gone.customer_id
        returning status.customer_id, gone.mautic_contact_id
    ),
    remembered as (
        insert into mautic_former_contacts (mautic_contact_id, customer_id)
        select forgotten.mautic_contact_id, forgotten.customer_id
        from forgotten
        order by forgotten.mautic_contact_id, forgotten.customer_id
        on conflict do nothing
    ),
    to_sync as (
        insert into mautic_dirty (customer_id) select forgotten.customer_id from forgotten
    )
    select
        count(*) filter (where now_gone),
        -- Neither a contact of ours nor one that was: a third possibility is that it was reported before.
        count(*) filter (where not now_gone and not exists (
            select from mautic_former_contacts former where former.mautic_contact_id = deleted.contact_id
        ))
    into processed, ignored
    from deleted
    cross join lateral (
        select exists (select from forgotten where forgotten.mautic_contact_id = deleted.contact_id) as now_gone
    ) fate;
end
$$;

-- A whole delivery. Each event is in exactly one of the four counts; one that was there before has no second effect.
create or replace function apply_mautic_events(
    events jsonb, max_bounces integer,
    out processed integer, out duplicates integer, out unmatched integer, out ignored integer
)
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    with_effects uuid[];
    texts record;
    deletions record;
begin
    with fresh as (
        insert into customer_email_engagement (
            event_key, customer_id, event_type, campaign_name, email_subject, link_url, occurred_at, mautic_email_id,
            mautic_contact_id, address, is_machine, verdict, raw_payload
        )
        select
            event.key, event.customer_id, event.kind, event.campaign_name, event.email_subject, event.link_url,
            event.occurred_at, event.email_id, event.contact_id, event.address, event.is_machine, event.verdict, event.payload
        from read_mautic_events(events) event
        where event.kind in ('open', 'click', 'unsubscribe', 'bounce')
        -- In one order everywhere: two deliveries that share events wait for each other instead of locking each other out.
        order by event.key
        on conflict (event_key) do nothing
        returning id, event_type, customer_id
    )
    select
        count(fresh.customer_id),
        count(*) - count(fresh.customer_id),
        array_agg(fresh.id) filter (where fresh.event_type in ('unsubscribe', 'bounce'))
    into processed, unmatched, with_effects
    from fresh;
    ignored := 0;

    if with_effects is not null then
        perform apply_mautic_unsubscribes(with_effects);
        perform apply_mautic_bounces(with_effects, max_bounces);
    end if;
    if events @> '[{"kind": "sms_opt_out"}]' then
        texts := apply_mautic_text_opt_outs(events);
        processed := processed + texts.processed;
        unmatched := unmatched + texts.unmatched;
    end if;
    if events @> '[{"kind": "contact_deleted"}]' then
        deletions := apply_mautic_deletions(events);
        processed := processed + deletions.processed;
        ignored := deletions.ignored;
    end if;
    duplicates := jsonb_array_length(events) - processed - unmatched - ignored;
end
$$;

-- Up to `at_most` of the events that waited and whose customer is known by now; they take effect as if they had come now.
create or replace function match_waiting_mautic_events(at_most integer, max_bounces integer) returns integer
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    matched uuid[];
begin
    with found as materialized (
        select waiting.id, owner.customer_id
        from customer_email_engagement waiting
        cross join lateral customer_of_mautic_event(null, waiting.mautic_contact_id, waiting.address) owner
        where waiting.customer_id is null
    ),
    to_claim as materialized (
        select waiting.id, found.customer_id
        from found
        join customer_email_engagement waiting on waiting.id = found.id and waiting.customer_id is null
        where found.customer_id is not null
        order by waiting.id
        limit at_most
        for no key update of waiting
    ),
    claimed as (
        update customer_email_engagement waiting
        set customer_id = to_claim.customer_id
        from to_claim
        where waiting.id = to_claim.id and waiting.customer_id is null
        returning waiting.id
    )
    select array_agg(claimed.id) into matched from claimed;

    if matched is not null then
        perform apply_mautic_unsubscribes(matched);
        perform apply_mautic_bounces(matched, max_bounces);
    end if;
    return coalesce(cardinality(matched), 0);
end
$$;

-- Nobody else has a use for them; what they may do is what their caller may do.
revoke all on function
    customer_of_mautic_event(uuid, integer, text), read_mautic_events(jsonb), apply_mautic_unsubscribes(uuid[]),
    apply_mautic_bounces(uuid[], integer), apply_mautic_text_opt_outs(jsonb), apply_mautic_deletions(jsonb),
    apply_mautic_events(jsonb, integer), match_waiting_mautic_events(integer, integer)
    from public, anon, authenticated;
grant execute on function
    customer_of_mautic_event(uuid, integer, text), read_mautic_events(jsonb), apply_mautic_unsubscribes(uuid[]),
    apply_mautic_bounces(uuid[], integer), apply_mautic_text_opt_outs(jsonb), apply_mautic_deletions(jsonb),
    apply_mautic_events(jsonb, integer), match_waiting_mautic_events(integer, integer)
    to service_role, crm_relay;
