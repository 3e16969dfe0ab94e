-- What Mautic's events mean for the customers is decided in Python.
--
-- The version that is running during a deployment still calls apply_mautic_events and match_waiting_mautic_events, and by these
-- customer_of_mautic_event, read_mautic_events, apply_mautic_unsubscribes, apply_mautic_bounces, apply_mautic_text_opt_outs and
-- apply_mautic_deletions. The next release removes them.
set local lock_timeout = '5s';

-- Its newest definition but for one thing: a customer who has that stamp, or a later one, is not written again. Who
-- unsubscribes is stamped in person before, and was written twice.
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
        set opted_out_at = opted_out.at
        from opted_out
        where profile.id = opted_out.customer_id
            and (profile.opted_out_at is null or profile.opted_out_at < opted_out.at)
    )
    select count(*)::integer from recorded
$$;
