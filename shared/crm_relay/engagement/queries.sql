-- name: apply_events
-- A whole delivery with all that it means for the customers; or of the events whose customer has become known.
with event as materialized (
    select
        null::uuid as waiting_id, given.key, given.kind, given.occurred_at, given.contact_id, given.supabase_id, given.address,
        given.campaign_name, given.email_subject, given.link_url, given.email_id, given.is_machine, given.verdict, given.payload
    from (
        select
            key, kind, occurred_at, case when not is_gone then contact_id end as contact_id,
            case when not is_gone then supabase_id end as supabase_id, case when not is_gone then filed.address end as address,
            campaign_name, email_subject, case when not is_gone then link_url end as link_url, email_id, is_machine, verdict,
            case when not is_gone then payload end as payload
        from jsonb_to_recordset(:events) as raw (
            key text, kind text, occurred_at timestamptz, contact_id integer, supabase_id uuid, address text,
            campaign_name text, email_subject text, link_url text, email_id text, is_machine boolean, verdict text, payload jsonb
        )
        cross join lateral (
            select
                case when kind = 'sms_opt_out' then raw.address else normalise_address(raw.address) end as address,
                case when kind = 'sms_opt_out' then 'sms' else 'email' end as channel
        ) filed
        -- Of somebody who was erased it is counted that something happened, and nothing else.
        cross join lateral (
            select
                kind <> 'contact_deleted'
                and (is_erased(null, filed.channel, filed.address) or is_erased(null, 'email', supabase_id::text)) as is_gone
            offset 0
        ) erasure
    ) given
    union all
    select
        id, event_key, event_type, occurred_at, mautic_contact_id, null, address, null, null, null, null, null, null, null
    from customer_email_engagement
    where :match_at_most > 0 and customer_id is null
),
owned as materialized (
    select
        event.*,
        coalesce(
            (select id from customer_profiles where id = event.supabase_id),
            (select customer_id from mautic_sync_status where mautic_contact_id = event.contact_id order by customer_id limit 1),
            (select customer_id from mautic_former_contacts where mautic_contact_id = event.contact_id),
            (
                -- Of several customers with one address the youngest owns it, as in the sync.
                select mail.customer_id
                from customer_emails mail
                join customer_profiles owner on owner.id = mail.customer_id
                where normalise_address(mail.email) = event.address and event.kind <> 'sms_opt_out'
                order by owner.created_at desc, owner.id desc
                limit 1
            )
        ) as customer_id
    from event
),
fresh as (
    insert into customer_email_engagement (
        event_key, customer_id, event_type, campaign_name, email_subject, link_url, occurred_at, mautic_email_id,
        mautic_contact_id, address, is_machine, verdict, raw_payload
    )
    select
        key, customer_id, kind, campaign_name, email_subject, link_url, occurred_at, email_id,
        contact_id, address, is_machine, verdict, payload
    from owned
    where waiting_id is null and kind in ('open', 'click', 'unsubscribe', 'bounce')
    -- In one order everywhere: two deliveries that share events wait for each other instead of locking each other out.
    order by key
    on conflict (event_key) do nothing
    returning event_key, event_type, occurred_at, customer_id, address
),
claimed as (
    update customer_email_engagement waiting
    set customer_id = found.customer_id
    from (
        select owned.waiting_id, owned.customer_id
        from owned
        join customer_email_engagement waiting on waiting.id = owned.waiting_id and waiting.customer_id is null
        where owned.customer_id is not null
        order by owned.waiting_id
        limit :match_at_most
        for update of waiting
    ) found
    where waiting.id = found.waiting_id and waiting.customer_id is null
    returning waiting.event_key, waiting.event_type, waiting.occurred_at, waiting.customer_id, waiting.address
),
happened as materialized (
    select * from fresh
    union all
    select * from claimed
),
unsubscribed as (
    select concerned.customer_id, max(happened.occurred_at) as at, bool_or(concerned.customer_id = happened.customer_id) as in_person
    from happened
    cross join lateral (
        -- Whoever shares the address keeps the own column, but the stamp follows to the next address.
        select happened.customer_id
        union
        select mail.customer_id
        from customer_emails mail
        join customer_profiles holder on holder.id = mail.customer_id
        join customer_profiles person on person.id = happened.customer_id
        where normalise_address(mail.email) = happened.address and holder.org_id is not distinct from person.org_id
    ) concerned
    where happened.event_type = 'unsubscribe'
        and happened.customer_id is not null
        -- What arrives late must not undo the consent that followed it.
        and not exists (
            select
            from consent_events granted
            where granted.channel = 'email' and granted.address = happened.address and granted.kind = 'consent'
                and granted.occurred_at >= happened.occurred_at
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
    for update of profile
),
stamped as (
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
    where profile.id = to_stamp.id
),
bounced as materialized (
    select customer_id, address, count(*)::integer as times
    from happened
    where event_type = 'bounce' and customer_id is not null and address is not null
    group by customer_id, address
),
to_count as materialized (
    select mail.id, bounced.customer_id, bounced.address, bounced.times, mail.is_valid is not false as was_valid
    from bounced
    join customer_emails mail on mail.customer_id = bounced.customer_id and normalise_address(mail.email) = bounced.address
    order by mail.id
    for update of mail
),
counted as (
    update customer_emails mail
    set
        bounce_count = mail.bounce_count + to_count.times,
        is_valid = case when mail.bounce_count + to_count.times >= :max_bounces then false else mail.is_valid end
    from to_count
    where mail.id = to_count.id
    returning to_count.customer_id, to_count.address, to_count.was_valid and mail.bounce_count >= :max_bounces as became_invalid
),
invalidated as (
    -- By its latest bounce, so that the order of the deliveries does not show in the ledger.
    select counted.customer_id, counted.address, latest.event_key, latest.occurred_at
    from (select distinct customer_id, address from counted where became_invalid) counted
    cross join lateral (
        select bounce.event_key, bounce.occurred_at
        from (
            select event_key, occurred_at
            from happened
            where event_type = 'bounce' and customer_id = counted.customer_id and address = counted.address
            union all
            select event_key, occurred_at
            from customer_email_engagement
            where event_type = 'bounce' and customer_id = counted.customer_id and address = counted.address
        ) bounce
        order by bounce.occurred_at desc, bounce.event_key desc
        limit 1
    ) latest
),
texted as materialized (
    select
        owned.key, owned.occurred_at, owned.customer_id,
        coalesce(
            owned.address,
            (select phone_e164 from customer_phones where customer_id = owned.customer_id order by is_primary desc, id limit 1)
        ) as address
    from owned
    where kind = 'sms_opt_out'
),
ledger as (
    insert into consent_events (org_id, channel, address, kind, source, source_event, occurred_at)
    select coalesce(profile.org_id, default_org_id()), entry.channel, entry.address, entry.kind, 'mautic', entry.key, entry.occurred_at
    from (
        select 'email' as channel, address, 'opt_out' as kind, event_key as key, occurred_at, customer_id
        from happened
        where event_type = 'unsubscribe' and address is not null
        union all
        select 'sms', address, 'opt_out', key, occurred_at, customer_id from texted where address is not null
        union all
        select 'email', address, 'hard_bounce', event_key, occurred_at, customer_id from invalidated
    ) entry
    left join customer_profiles profile on profile.id = entry.customer_id
    order by entry.key
    on conflict (source, source_event, channel, address) where source_event is not null do nothing
    returning channel, source_event
),
gone as materialized (
    select status.customer_id, status.mautic_contact_id
    from mautic_sync_status status
    where status.mautic_contact_id in (select contact_id from owned where kind = 'contact_deleted')
    order by status.customer_id
    for update
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
    select mautic_contact_id, customer_id
    from forgotten
    order by mautic_contact_id, customer_id
    on conflict do nothing
),
to_sync as (
    insert into mautic_dirty (customer_id) select customer_id from forgotten
),
outcome as (
    select case
        when owned.kind = 'sms_opt_out' then case
            when texted.address is null then 'unmatched'
            when exists (select from ledger where channel = 'sms' and source_event = owned.key) then 'processed'
            else 'duplicate'
        end
        when owned.kind = 'contact_deleted' then case
            when exists (select from forgotten where mautic_contact_id = owned.contact_id) then 'processed'
            when exists (select from mautic_former_contacts where mautic_contact_id = owned.contact_id) then 'duplicate'
            else 'ignored'
        end
        when fresh.event_key is null then 'duplicate'
        when fresh.customer_id is null then 'unmatched'
        else 'processed'
    end as outcome
    from owned
    left join fresh on fresh.event_key = owned.key
    left join texted on texted.key = owned.key
    where owned.waiting_id is null
)
select
    count(*) filter (where outcome = 'processed')::integer as processed,
    count(*) filter (where outcome = 'duplicate')::integer as duplicates,
    count(*) filter (where outcome = 'unmatched')::integer as unmatched,
    count(*) filter (where outcome = 'ignored')::integer as ignored,
    (select count(*) from claimed)::integer as matched
from outcome;

-- name: erase_engagement
-- The person's events, and those that waited for somebody with that address or that contact.
delete from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    )
returning event_type;

-- name: count_engagement
-- What erase_engagement would delete.
select count(*)::integer as events
from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    );
