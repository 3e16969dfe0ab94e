-- Functions of former. Written by `make schema`: change it by a migration.


create function accept_email_batch(batch uuid, results jsonb, at timestamptz)
    returns boolean
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    update email_batches
    set state = 'done', payload = null, claimed_until = null, problem = null, finished_at = at
    where id = batch and state = 'sending';
    if not found then
        return false;
    end if;
    update email_sends mail
    set
        status = case
            when told.problem is not null then 'failed'
            when mail_status_rank(mail.status) < mail_status_rank('sent') then 'sent'
            else mail.status
        end,
        reason = told.problem,
        resend_id = told.resend_id,
        sent_at = case when told.problem is null then least(mail.sent_at, at) end,
        error_message = coalesce(told.problem, mail.error_message),
        payload = null,
        updated_at = now()
    from jsonb_to_recordset(results) as told (id uuid, resend_id text, problem text)
    where mail.id = told.id and mail.batch_id = batch;
    perform adopt_mail_events(array(select id from email_sends where batch_id = batch and resend_id is not null));
    return true;
end
$$;


create function adopt_mail_events(sends uuid[])
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    changed uuid;
begin
    perform pg_advisory_xact_lock(52, 1);
    for changed in
        with adopted as (
            update email_logs log
            set email_send_id = mail.id
            from email_sends mail
            where mail.id = any (sends) and log.resend_id = mail.resend_id and log.email_send_id is null
            returning mail.id
        )
        select distinct adopted.id from adopted
    loop
        perform refresh_email_send(changed);
    end loop;
end
$$;


create function apply_bison_delivery(attempt jsonb, event jsonb)
    returns text
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    workspace text := attempt ->> 'workspace_name';
    type text := attempt ->> 'event_type';
    received timestamptz := attempt ->> 'received_at';
    elapsed_ms integer := coalesce((attempt ->> 'elapsed_ms')::integer, 0);
    inbox bigint;
    came text := attempt ->> 'origin';
    happened_at timestamptz := event ->> 'occurred_at';
    kind text := event ->> 'kind';
    its_key text := event ->> 'key';
    account_id bigint := (event -> 'account' ->> 'account_id')::bigint;
    counter text := case event ->> 'kind'
        when 'email_sent' then 'emails_sent_mtd'
        when 'lead_replied' then 'replies_mtd'
        when 'lead_interested' then 'positive_replies_mtd'
        when 'email_bounced' then 'bounced_mtd'
        when 'lead_unsubscribed' then 'unsubscribed_mtd'
    end;
    ours workspaces;
    filled record;
    line bigint;
    lead_address text := normalise_address(event -> 'lead' ->> 'email');
begin
    select * into ours from workspaces where id = (select workspace_id from workspace_names where name = workspace);
    select id into inbox from webhook_inbox where source = 'bison' and webhook_inbox.dedupe_key = attempt ->> 'dedupe_key';
    -- Before anything is held against it: a test event names whatever workspace its vendor's sample does.
    if event is null then
        perform log_bison_attempt(workspace, type, true, null, received, elapsed_ms, inbox, came);
        return 'ignored';
    end if;
    if ours.bison_workspace_id <> (attempt ->> 'workspace_id')::bigint
        or attempt ->> 'instance_host' <> substring(lower(ours.bison_instance_url) from '^(?:[a-z]+://)?([^/:]+)') then
        perform log_bison_attempt(workspace, type, false, 'of another workspace or instance', received, elapsed_ms, inbox, came);
        return 'refused';
    end if;
    -- The reconciliation takes it alone: what it finds missing must not be on its way in.
    perform pg_advisory_xact_lock_shared(hashtextextended(workspace, 30));

    -- Of somebody who was erased it is counted that something happened, and nothing else.
    if is_erased(null, 'email', lead_address) then
        event := event - 'lead' - 'reply';
        lead_address := null;
    end if;
    insert into webhook_delivery_log (
        event_type, workspace_name, success, inbox_id, origin, event_key, is_first, metric, amount, occurred_at, sender_email_id,
        lead_id, processing_time_ms
    )
    values (
        type, workspace, true, inbox, came, its_key, true, counter, (counter is not null)::integer, happened_at, account_id,
        case when kind <> 'email_sent' then (event -> 'lead' ->> 'lead_id')::bigint end, elapsed_ms
    )
    on conflict (workspace_name, event_key) where is_first do nothing
    returning id into line;
    if line is null then
        perform log_bison_attempt(workspace, type, true, null, received, elapsed_ms, inbox, came);
        return 'duplicate';
    end if;

    if kind in ('lead_replied', 'lead_interested', 'email_bounced', 'lead_unsubscribed') and event -> 'lead' ->> 'lead_id' is not null then
        perform keep_lead(workspace, event, happened_at);
    end if;
    if kind in ('lead_replied', 'lead_interested', 'untracked_reply') and event -> 'reply' ->> 'external_id' is not null
        and not is_erased(null, 'email', normalise_address(event -> 'reply' ->> 'from_address')) then
        insert into inbox_items
            (org_id, workspace_id, source, external_id, thread_id, from_address, subject, received_at, is_auto_reply)
        values (
            coalesce(ours.org_id, default_org_id()), ours.id, 'bison', workspace || ':' || (event -> 'reply' ->> 'external_id'),
            event -> 'reply' ->> 'thread_id', coalesce(event -> 'reply' ->> 'from_address', event -> 'lead' ->> 'email'),
            event -> 'reply' ->> 'subject', coalesce((event -> 'reply' ->> 'received_at')::timestamptz, happened_at),
            coalesce((event -> 'reply' ->> 'is_automated')::boolean, false)
        )
        on conflict (source, external_id) do nothing;
    end if;
    if lead_address is not null
        and (kind = 'lead_unsubscribed' or kind = 'email_bounced' and (event ->> 'is_permanent_bounce')::boolean) then
        perform record_consent_events(jsonb_build_array(jsonb_build_object(
            'org_id', coalesce(ours.org_id, default_org_id()), 'channel', 'email', 'address', lead_address,
            'kind', case kind when 'email_bounced' then 'hard_bounce' else 'opt_out' end,
            'source', 'bison', 'source_event', workspace || ':' || its_key, 'occurred_at', happened_at
        )));
    end if;
    if kind like 'account\_%' and account_id is not null then
        perform keep_account_state(workspace, attempt ->> 'instance', event, happened_at, received);
    end if;

    if counter is not null then
        -- It was believed lost and filled in from the totals; now that it is here it takes that place.
        update webhook_delivery_log
        set amount = amount - 1
        where id = (
            select filling.id
            from webhook_delivery_log filling
            where filling.origin = 'polled' and filling.amount > 0 and filling.workspace_name = workspace
                and filling.sender_email_id = account_id and filling.metric = counter and filling.occurred_at >= happened_at
                and (
                    select sum(amount)
                    from webhook_delivery_log
                    where origin = 'polled' and amount <> 0 and workspace_name = workspace and sender_email_id = account_id
                        and metric = counter
                ) > 0
            order by filling.occurred_at, filling.id
            limit 1
            for update
        )
        returning webhook_delivery_log.occurred_at into filled;
        if found then
            perform count_outreach(workspace, counter, -1, filled.occurred_at);
        end if;
        perform count_outreach(workspace, counter, 1, happened_at);
    end if;
    update webhook_rejections set in_a_row = 0 where source = 'bison' and claimed = workspace and in_a_row > 0;
    if came <> 'replay' then
        perform count_bison_attempt(workspace, true, received);
    end if;
    update webhook_delivery_log
    set processing_time_ms = elapsed_ms + milliseconds_so_far()
    where id = line;
    return 'processed';
end
$$;


create function apply_mail_event(event jsonb)
    returns table(result text, email_send_id uuid, enrollment_id uuid)
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
#variable_conflict use_column
declare
    mail email_sends;
    line uuid;
    address text;
    told text := event ->> 'email_id';
begin
    select * into mail from email_sends
    where email_sends.id = (
        select coalesce(
            -- The tag finds the row also where the answer with the id was lost.
            (select tagged.id from email_sends tagged where tagged.id = try_uuid(event ->> 'send')),
            (select known.id from email_sends known where known.resend_id = told)
        )
    )
    for update;
    if mail.id is null then
        -- Against a row that gets its id at this moment: it looks for what waits once it has this lock.
        perform pg_advisory_xact_lock_shared(52, 1);
        select * into mail from email_sends where resend_id = told for update;
    end if;
    insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key, resend_id)
    values (
        mail.id, event ->> 'kind',
        jsonb_strip_nulls(jsonb_build_object(
            'message_id', event -> 'message_id', 'bounce_type', event -> 'bounce_type', 'reason', event -> 'reason',
            'link', event -> 'link', 'user_agent', event -> 'user_agent'
        )),
        (event ->> 'occurred_at')::timestamptz, event ->> 'key', told
    )
    on conflict (event_key) do nothing
    returning id into line;
    if line is null then
        return query select 'duplicate'::text, mail.id, mail.enrollment_id;
        return;
    end if;

    address := coalesce(mail.address, event ->> 'address');
    -- Of somebody who was erased the ledger keeps the hash.
    if event ->> 'suppresses' is not null and address is not null then
        perform record_consent_events(jsonb_build_array(jsonb_build_object(
            'org_id', mail.org_id, 'channel', 'email', 'address', address, 'kind', event ->> 'suppresses',
            'source', 'resend', 'source_event', event ->> 'key', 'occurred_at', event ->> 'occurred_at'
        )));
    end if;
    if mail.id is null then
        return query select 'unmatched'::text, null::uuid, null::uuid;
        return;
    end if;
    if mail.resend_id is null and told is not null
        and not exists (select from email_sends other where other.resend_id = told) then
        update email_sends set resend_id = told where email_sends.id = mail.id;
    end if;
    perform refresh_email_send(mail.id);
    return query select 'processed'::text, mail.id, mail.enrollment_id;
end
$$;


create function apply_mautic_bounces(event_ids uuid[], max_bounces integer)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_custom_plan'
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


create function apply_mautic_deletions(events jsonb, out processed integer, out ignored integer)
    returns record
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_custom_plan'
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


create function apply_mautic_events(
    events jsonb,
    max_bounces integer,
    out processed integer,
    out duplicates integer,
    out unmatched integer,
    out ignored integer
)
    returns record
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
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


create function apply_mautic_text_opt_outs(events jsonb, out processed integer, out unmatched integer)
    returns record
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_custom_plan'
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


create function apply_mautic_unsubscribes(event_ids uuid[])
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_custom_plan'
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


create function cancel_queued_mail(enrollments uuid[], why text)
    returns table(email_send_id uuid, enrollment_id uuid, sequence_id uuid)
    language sql
    set search_path to 'public', 'pg_temp'
as $$
    update email_sends mail
    set status = 'refused', reason = why, payload = null, position = null, updated_at = now()
    where mail.enrollment_id = any (enrollments) and mail.status = 'queued'
    returning mail.id, mail.enrollment_id, mail.sequence_id
$$;


create function count_bison_attempt(workspace text, is_success boolean, received timestamptz)
    returns void
    language sql
    set search_path to 'public', 'pg_temp'
as $$
    insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
    values (workspace, date_bin('5 minutes', received, '2000-01-01 00:00:00+00'), 1, is_success::integer, received)
    on conflict (workspace_name, slot) do update set
        deliveries = webhook_delivery_slots.deliveries + 1,
        successes = webhook_delivery_slots.successes + excluded.successes,
        last_at = greatest(webhook_delivery_slots.last_at, excluded.last_at)
$$;


create function customer_of_mautic_event(wanted_id uuid, wanted_contact integer, wanted_address text)
    returns table(customer_id uuid)
    language sql
    stable
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


create function erase_enrollments(wanted uuid[])
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    erased integer;
begin
    update campaign_enrollments
    set address = null, thread_id = null, last_error = null, updated_at = now()
    where id = any (wanted);
    get diagnostics erased = row_count;
    return erased;
end
$$;


create function follow_mail_event(event jsonb)
    returns text
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    applied record;
    mail email_sends;
    at timestamptz := event ->> 'occurred_at';
begin
    select * into applied from apply_mail_event(event);
    if applied.result = 'duplicate' then
        return applied.result;
    end if;
    if applied.enrollment_id is not null then
        select * into mail from email_sends where id = applied.email_send_id;
        -- The answer that said so may have been lost: then this is how it becomes known that the mail has left, or never will.
        perform settle_campaign_mail(jsonb_build_array(jsonb_build_object(
            'enrollment_id', mail.enrollment_id, 'sequence_id', mail.sequence_id,
            'line', case when mail.status in ('failed', 'suppressed') then 'failed' else 'sent' end,
            'reason', case when mail.status in ('failed', 'suppressed') then mail.status end,
            'is_error', mail.status in ('failed', 'suppressed')
        )), at)
        where mail.status not in ('queued', 'refused', 'dry_run', 'sending', 'unknown');
        perform react_to_mails(array[applied.enrollment_id], at);
    end if;
    if event ->> 'suppresses' is not null then
        perform stop_for_address(
            null, coalesce(mail.address, event ->> 'address'), null,
            case event ->> 'suppresses' when 'hard_bounce' then 'bounced' else 'unsubscribed' end, event ->> 'suppresses', at
        );
    end if;
    return applied.result;
end
$$;


create function is_mail_scanner(agent text)
    returns boolean
    language sql
    immutable parallel safe
as $$
    select coalesce(lower(agent) ~ (
        'barracuda|proofpoint|mimecast|symantec|trendmicro|forcepoint|fireeye|zscaler|ironport|safelinks|preview'
        '|facebookexternalhit|slackbot|whatsapp|headless|phantomjs|bot|crawler|spider|python|curl|wget|go-http-client|java/'
        '|okhttp|libwww|guzzlehttp'
    ), false)
$$;


create function keep_account_state(
    workspace text,
    instance text,
    event jsonb,
    happened_at timestamptz,
    received timestamptz
)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    account jsonb := event -> 'account';
    wanted text := case event ->> 'kind'
        when 'account_disconnected' then 'Disconnected'
        when 'account_reconnected' then 'Connected'
        else account ->> 'status'
    end;
begin
    insert into sender_emails_cache as known (
        workspace_name, bison_instance, sender_email_id, email_address, name, status, status_at, account_type, daily_limit,
        email_provider, reseller, recheck_since, removed_at
    )
    values (
        workspace, instance, (account ->> 'account_id')::bigint, account ->> 'email', account ->> 'name', wanted, happened_at,
        account ->> 'account_type', (account ->> 'daily_limit')::integer, account ->> 'provider', account ->> 'reseller',
        case event ->> 'kind' when 'account_disconnected' then received end,
        case event ->> 'kind' when 'account_removed' then happened_at end
    )
    on conflict (bison_instance, sender_email_id) do update set
        status = excluded.status,
        status_at = excluded.status_at,
        recheck_since = excluded.recheck_since,
        removed_at = excluded.removed_at,
        updated_at = now()
    where known.workspace_name = excluded.workspace_name
        and (
            known.status_at is null
            or known.status_at < excluded.status_at
            or (
                known.status_at = excluded.status_at
                and (excluded.removed_at is not null, excluded.status <> 'Connected')
                    > (known.removed_at is not null, known.status <> 'Connected')
            )
        );
end
$$;


create function keep_inbound_mail(event jsonb)
    returns boolean
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    arrived_at text[] := array(select jsonb_array_elements_text(event -> 'to_addresses'));
begin
    if is_erased(null, 'email', event ->> 'address') then
        return false;
    end if;
    insert into inbox_items (org_id, source, external_id, from_address, subject, received_at, to_addresses)
    values (
        coalesce(
            (
                select mail.org_id
                from unnest(arrived_at) as place
                join email_sends mail on mail.reply_token = substring(place from '^reply\+([^@]+)@')
                limit 1
            ),
            (
                select identity.org_id
                from unnest(arrived_at) as place
                join email_identities identity on lower(identity.inbound_domain) = substring(place from '@([^@]+)$')
                limit 1
            ),
            default_org_id()
        ),
        'resend', event ->> 'email_id', event ->> 'from_address', event ->> 'subject', (event ->> 'occurred_at')::timestamptz,
        arrived_at
    )
    on conflict (source, external_id) do nothing;
    return found;
end
$$;


create function keep_lead(workspace text, event jsonb, happened_at timestamptz)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    lead jsonb := event -> 'lead';
    its_id bigint := (event -> 'lead' ->> 'lead_id')::bigint;
    kind text := event ->> 'kind';
begin
    -- Until the end of this transaction: an interested lead is made from what the log knows of it, and nothing may be added
    -- to that in between.
    perform pg_advisory_xact_lock(hashtextextended(workspace || '/' || its_id, 31));
    if kind <> 'lead_interested' then
        update client_leads
        set
            replied_at = greatest(replied_at, case kind when 'lead_replied' then happened_at end),
            bounced_at = greatest(bounced_at, case kind when 'email_bounced' then happened_at end),
            unsubscribed_at = greatest(unsubscribed_at, case kind when 'lead_unsubscribed' then happened_at end),
            updated_at = now()
        where workspace_name = workspace and client_leads.lead_id = its_id;
        return;
    end if;
    insert into client_leads as known (
        workspace_name, lead_id, lead_email, first_name, last_name, company, title, date_received, campaign_id, campaign_name,
        sender_email_id, told_at, told_by, interested_at, replied_at, bounced_at, unsubscribed_at
    )
    select
        workspace, its_id, lead ->> 'email', lead ->> 'first_name', lead ->> 'last_name', lead ->> 'company', lead ->> 'title',
        coalesce((event -> 'reply' ->> 'received_at')::timestamptz, happened_at), (event ->> 'campaign_id')::bigint, event ->> 'campaign_name',
        (event -> 'account' ->> 'account_id')::bigint, happened_at, event ->> 'key', happened_at,
        max(occurred_at) filter (where event_type = 'lead_replied'),
        max(occurred_at) filter (where event_type = 'email_bounced'),
        max(occurred_at) filter (where event_type = 'lead_unsubscribed')
    from webhook_delivery_log
    where workspace_name = workspace and webhook_delivery_log.lead_id = its_id and is_first
    on conflict (workspace_name, lead_id) do update set
        lead_email = excluded.lead_email, first_name = excluded.first_name, last_name = excluded.last_name,
        company = excluded.company, title = excluded.title, date_received = excluded.date_received,
        campaign_id = excluded.campaign_id, campaign_name = excluded.campaign_name, sender_email_id = excluded.sender_email_id,
        told_at = excluded.told_at, told_by = excluded.told_by, interested_at = excluded.interested_at, updated_at = now()
        where (excluded.told_at, excluded.told_by) > (known.told_at, known.told_by);
end
$$;


create function log_bison_attempt(
    workspace text,
    type text,
    is_success boolean,
    told text,
    received timestamptz,
    elapsed_ms integer,
    inbox bigint,
    came text
)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into webhook_delivery_log (event_type, workspace_name, success, error_message, processing_time_ms, inbox_id, origin)
    values (type, workspace, is_success, told, elapsed_ms + milliseconds_so_far(), inbox, came);
    -- Whether EmailBison's calls succeed is not shown by what an operator does with them later.
    if came <> 'replay' then
        perform count_bison_attempt(workspace, is_success, received);
    end if;
end
$$;


create function mail_status_rank(status text)
    returns integer
    language sql
    immutable parallel safe
as $$
    select array_position(array[
        'queued', 'refused', 'dry_run', 'sending', 'unknown', 'scheduled', 'sent', 'pending', 'failed', 'suppressed',
        'bounced_for_now', 'delivered', 'opened', 'clicked', 'bounced', 'unsubscribed', 'spam'
    ], status)
$$;


create function match_waiting_mautic_events(at_most integer, max_bounces integer)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_custom_plan'
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


create function milliseconds_so_far()
    returns integer
    language sql
as $$ select (1000 * extract(epoch from clock_timestamp() - statement_timestamp()))::integer $$;


create function react_to_mails(enrollments uuid[], at timestamptz)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    mail record;
begin
    perform refresh_engagement(touched.id, at)
    from (
        select distinct enrollment_id as id
        from email_sends
        where enrollment_id = any (enrollments) and (last_human_at is not null or opened_count + clicked_count > 0)
        order by enrollment_id
    ) touched;
    -- The address is to get nothing more from anybody here, whichever campaign it was that found out.
    for mail in
        select distinct address, complained_at is not null as is_complaint
        from email_sends
        where enrollment_id = any (enrollments) and address is not null
            and (complained_at is not null or bounced_at is not null and bounce_type = 'permanent')
        order by address
    loop
        perform stop_for_address(
            null, mail.address, null,
            case when mail.is_complaint then 'unsubscribed' else 'bounced' end,
            case when mail.is_complaint then 'complaint' else 'hard_bounce' end, at
        );
    end loop;
end
$$;


create function read_mautic_events(events jsonb)
    returns table(key text, kind text, occurred_at timestamptz, contact_id integer, address text, campaign_name text,
        email_subject text, link_url text, email_id text, is_machine boolean, verdict text, payload jsonb,
        customer_id uuid)
    language sql
    stable
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


create function refresh_email_send(wanted uuid)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    mail email_sends;
begin
    select * into mail from email_sends where id = wanted for update;
    with event as (
        select
            id, event_type, occurred_at, event_key, event_data ->> 'link' as link, event_data ->> 'user_agent' as agent,
            event_type in ('opened', 'clicked')
                and coalesce(position(mail.unsubscribe_token in event_data ->> 'link'), 0) = 0 as is_judged
        from email_logs
        where email_send_id = wanted
    ),
    begun as (
        select coalesce(
            min(occurred_at) filter (where event_type = 'delivered'),
            least(mail.sent_at, min(occurred_at) filter (where event_type = 'sent'))
        ) as at
        from event
    ),
    burst as (
        select first.occurred_at as at
        from event first
        join event other on other.occurred_at between first.occurred_at and first.occurred_at + interval '3 seconds'
        where mail.links >= 2 and first.event_type = 'clicked' and first.is_judged
            and other.event_type = 'clicked' and other.is_judged
        group by first.id, first.occurred_at
        having count(distinct other.link) >= mail.links
    ),
    judged as (
        select
            event.id,
            case
                when not is_judged then null
                when occurred_at < begun.at + interval '10 seconds'
                    or is_mail_scanner(agent)
                    or event_type = 'clicked' and exists (
                        select from burst where event.occurred_at between burst.at and burst.at + interval '3 seconds'
                    )
                    then 'machine'
                else 'human'
            end as verdict
        from event
        cross join begun
    )
    update email_logs log
    set verdict = judged.verdict
    from judged
    where log.id = judged.id and log.verdict is distinct from judged.verdict;

    with event as (
        select
            event_type, occurred_at, event_key, event_data, verdict,
            case event_type
                when 'delivery_delayed' then 'pending'
                when 'complained' then 'spam'
                when 'bounced' then case event_data ->> 'bounce_type' when 'permanent' then 'bounced' else 'bounced_for_now' end
                else event_type
            end as status
        from email_logs
        where email_send_id = wanted
    ),
    folded as (
        select
            max(mail_status_rank(status)) as rank,
            (array_agg(status order by mail_status_rank(status) desc))[1] as status,
            min(event_data ->> 'message_id') as message_id,
            min(occurred_at) filter (where event_type = 'sent') as sent_at,
            min(occurred_at) filter (where event_type = 'delivered') as delivered_at,
            min(occurred_at) filter (where event_type = 'opened') as opened_at,
            count(*) filter (where event_type = 'opened') as opened_count,
            count(*) filter (where event_type = 'opened' and verdict = 'human') as human_opens,
            min(occurred_at) filter (where event_type = 'opened' and verdict = 'human') as first_human_open_at,
            min(occurred_at) filter (where event_type = 'clicked') as clicked_at,
            count(*) filter (where event_type = 'clicked') as clicked_count,
            count(*) filter (where event_type = 'clicked' and verdict = 'human') as human_clicks,
            min(occurred_at) filter (where event_type = 'clicked' and verdict = 'human') as first_human_click_at,
            max(occurred_at) filter (where verdict = 'human') as last_human_at,
            min(occurred_at) filter (where event_type = 'bounced') as bounced_at,
            -- permanent < transient < undetermined, as it happens also in the alphabet
            min(event_data ->> 'bounce_type') filter (where event_type = 'bounced') as bounce_type,
            min(occurred_at) filter (where event_type = 'complained') as complained_at,
            min(occurred_at) filter (where event_type = 'unsubscribed') as unsubscribed_at,
            (array_agg(event_data ->> 'reason' order by occurred_at, event_key)
                filter (where event_data ->> 'reason' is not null))[1] as reason
        from event
    )
    update email_sends
    set
        status = case
            when folded.rank > mail_status_rank(own.status)
                then case folded.status when 'bounced_for_now' then 'bounced' else folded.status end
            else own.status
        end,
        message_id = coalesce(folded.message_id, mail.message_id),
        sent_at = least(mail.sent_at, folded.sent_at),
        delivered_at = folded.delivered_at,
        opened_at = folded.opened_at,
        opened_count = folded.opened_count,
        human_opens = folded.human_opens,
        first_human_open_at = folded.first_human_open_at,
        clicked_at = folded.clicked_at,
        clicked_count = folded.clicked_count,
        human_clicks = folded.human_clicks,
        first_human_click_at = folded.first_human_click_at,
        last_human_at = folded.last_human_at,
        bounced_at = folded.bounced_at,
        bounce_type = folded.bounce_type,
        complained_at = folded.complained_at,
        unsubscribed_at = folded.unsubscribed_at,
        error_message = coalesce(folded.reason, mail.error_message),
        updated_at = now()
    from folded
    cross join lateral (
        -- What the ledger says by itself; every other state follows from the events and is found again.
        select case
            when mail.status in ('queued', 'refused', 'dry_run', 'sending', 'unknown', 'sent', 'failed') then mail.status
            else 'sent'
        end as status
    ) own
    where email_sends.id = wanted;
end
$$;


create function refresh_engagement(wanted uuid, at timestamptz)
    returns void
    language sql
    set search_path to 'public', 'pg_temp'
as $$
    update campaign_enrollments enrollment
    set
        emails_opened = seen.opens,
        emails_clicked = seen.clicks,
        engagement_score = least(100, 10 * seen.opens + 25 * seen.clicks),
        first_opened_at = seen.first_open,
        first_clicked_at = seen.first_click,
        last_engagement_at = seen.last_human,
        status = case
            when enrollment.status in ('active', 'engaged') then case when seen.opens + seen.clicks > 0 then 'engaged' else 'active' end
            else enrollment.status
        end,
        updated_at = at
    from (
        select
            coalesce(sum(human_opens), 0)::integer as opens, coalesce(sum(human_clicks), 0)::integer as clicks,
            min(first_human_open_at) as first_open, min(first_human_click_at) as first_click, max(last_human_at) as last_human
        from email_sends
        where enrollment_id = wanted
    ) seen
    where enrollment.id = wanted
        and (enrollment.emails_opened, enrollment.emails_clicked, enrollment.first_opened_at, enrollment.first_clicked_at,
            enrollment.last_engagement_at) is distinct from
            (seen.opens, seen.clicks, seen.first_open, seen.first_click, seen.last_human)
$$;


create function settle_bison_accounts(workspace text, settled_before timestamptz, fills boolean)
    returns table(account_id bigint, metric text, missing integer)
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock(hashtextextended(workspace, 30));
    return query
    with ready as materialized (
        select sender_email_id, settled, settled_at, settling, settling_at
        from sender_emails_cache
        where workspace_name = workspace and settling_at <= settled_before
    ),
    shown as (
        select sender_email_id, each.key as metric, settled_at, settling_at,
            each.value::bigint - (settled ->> each.key)::bigint as happened,
            coalesce((settled -> 'ahead' ->> each.key)::bigint, 0) as ahead
        from ready
        cross join lateral jsonb_each_text(settling - 'workspace') as each
        -- What an account did before it was moved here was counted there.
        where settled ->> 'workspace' = workspace and settling ->> 'workspace' = workspace
    ),
    counted as (
        -- An automatic reply is in EmailBison's totals and in none of ours: it is not missing.
        select log.sender_email_id, coalesce(log.metric, 'replies_mtd') as metric,
            sum(case when log.metric is null then 1 else log.amount end) as amount
        from ready
        join webhook_delivery_log log
            on log.workspace_name = workspace and log.sender_email_id = ready.sender_email_id
            and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at
            and (log.amount <> 0 or log.is_first and log.metric is null and log.event_type = 'lead_replied')
        group by 1, 2
    ),
    filled as (
        select sender_email_id, metric, sum(amount) as amount
        from webhook_delivery_log
        where workspace_name = workspace and origin = 'polled' and amount <> 0
        group by 1, 2
    ),
    gap as materialized (
        -- Totals that fell belong to an account that was made anew: nothing can be said of that time.
        select shown.sender_email_id, shown.metric, shown.settling_at,
            greatest(shown.happened - shown.ahead - coalesce(counted.amount, 0), -coalesce(filled.amount, 0))::integer as missing,
            coalesce(counted.amount, 0) - shown.happened as surplus
        from shown
        left join counted on counted.sender_email_id = shown.sender_email_id and counted.metric = shown.metric
        left join filled on filled.sender_email_id = shown.sender_email_id and filled.metric = shown.metric
        where shown.happened >= 0
    ),
    noted as (
        insert into webhook_delivery_log
            (event_type, workspace_name, success, origin, event_key, is_first, metric, amount, occurred_at, sender_email_id)
        select
            'polled_total', workspace, true, 'polled',
            'polled:' || gap.sender_email_id || ':' || gap.metric || ':' || extract(epoch from gap.settling_at), true,
            gap.metric, gap.missing, gap.settling_at, gap.sender_email_id
        from gap
        where fills and gap.missing <> 0
        order by gap.sender_email_id, gap.metric
        on conflict (workspace_name, event_key) where is_first do nothing
        returning metric, amount, occurred_at
    ),
    moved as (
        select count_outreach(workspace, total.metric, total.amount, total.occurred_at)
        from (select metric, sum(amount)::integer as amount, occurred_at from noted group by metric, occurred_at) total
    ),
    advanced as (
        update sender_emails_cache account
        -- What was counted before the totals showed it, and not taken back, is expected to be shown next time.
        set settled = account.settling || jsonb_build_object('ahead', coalesce((
                select jsonb_object_agg(gap.metric, gap.surplus + least(gap.missing, 0))
                from gap
                where gap.sender_email_id = account.sender_email_id and gap.surplus + least(gap.missing, 0) > 0
            ), '{}')), settled_at = account.settling_at, settling = null, settling_at = null
        from ready
        where fills and account.sender_email_id = ready.sender_email_id and account.workspace_name = workspace
    )
    select gap.sender_email_id, gap.metric, gap.missing
    from gap
    -- Asked for by a condition: a join that nothing is taken from would not be carried out, and no counter moved.
    where gap.missing <> 0 and (select count(*) from moved) >= 0
    order by gap.sender_email_id, gap.metric;
end
$$;


create function settle_campaign_mail(settled jsonb, at timestamptz)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    changed integer;
begin
    -- Removed in the next release: the version before decides here, the present one in Python (campaigns/engine/settle.py).
    perform from campaign_enrollments
    where id in (select enrollment_id from jsonb_to_recordset(settled) as given (enrollment_id uuid))
    order by id for no key update;
    with given as materialized (
        select * from jsonb_to_recordset(settled) as given (
            enrollment_id uuid, sequence_id uuid, line text, reason text, is_error boolean, ends_as text
        )
    ),
    line as (
        update campaign_sequence_logs known
        set
            status = given.line, reason = given.reason, updated_at = at,
            sent_at = case given.line when 'sent' then at else known.sent_at end
        from given
        where known.enrollment_id = given.enrollment_id
            and known.sequence_id = given.sequence_id
            and (known.status = 'pending' or known.status = 'failed' and known.reason = 'unknown' and given.line = 'sent')
        returning known.enrollment_id, known.sequence_id, known.step_number, known.channel, given.line, given.reason, given.is_error,
            given.ends_as
    ),
    outcome as materialized (
        select
            enrollment_id,
            count(*) filter (where line.line = 'sent' and channel = 'email')::integer as mails,
            count(*) filter (where line.line = 'sent' and channel = 'sms')::integer as texts,
            count(*) filter (where is_error)::integer as errors,
            max(reason) filter (where is_error) as error,
            max(ends_as) as ends_as,
            max(reason) filter (where ends_as is not null) as why,
            max(step_number) as step_number,
            count(*)::integer as lines
        from line
        group by enrollment_id
    ),
    following as (
        select outcome.enrollment_id, step.*
        from outcome
        join campaign_enrollments enrollment on enrollment.id = outcome.enrollment_id
        left join lateral (
            select make_interval(days => delay_days, hours => delay_hours, mins => delay_minutes) as delay
            from campaign_sequences
            where campaign_id = enrollment.campaign_id and is_active and step_number > enrollment.current_step
            order by step_number
            limit 1
        ) step on true
        -- An old unclear mail that proves to have been sent moves nothing.
        where enrollment.next_step_at is null and outcome.step_number = enrollment.current_step
            and enrollment.status in ('active', 'engaged', 'paused')
    ),
    enrolled as (
        update campaign_enrollments enrollment
        set
            emails_sent = enrollment.emails_sent + outcome.mails,
            sms_sent = enrollment.sms_sent + outcome.texts,
            last_step_at = case when outcome.mails + outcome.texts > 0 then at else enrollment.last_step_at end,
            error_count = enrollment.error_count + outcome.errors,
            last_error = coalesce(outcome.error, enrollment.last_error),
            last_error_at = case when outcome.errors > 0 then at else enrollment.last_error_at end,
            status = case
                when enrollment.status not in ('active', 'engaged', 'paused') then enrollment.status
                when outcome.ends_as is not null then outcome.ends_as
                when outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3 then 'paused'
                when following.enrollment_id is not null and following.delay is null and enrollment.status <> 'paused' then 'completed'
                else enrollment.status
            end,
            completed_at = case
                when following.enrollment_id is not null and following.delay is null and enrollment.status <> 'paused'
                    and outcome.ends_as is null and not (outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3) then at
                else enrollment.completed_at
            end,
            next_step_at = case
                when outcome.ends_as is not null then null
                when outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3 then null
                else coalesce(at + following.delay, enrollment.next_step_at)
            end,
            stopped_reason = case
                when enrollment.status in ('active', 'engaged', 'paused') then coalesce(outcome.why, enrollment.stopped_reason)
                else enrollment.stopped_reason
            end,
            updated_at = at
        from outcome
        left join following on following.enrollment_id = outcome.enrollment_id
        where enrollment.id = outcome.enrollment_id
    )
    select coalesce(sum(lines), 0) into changed from outcome;
    return changed;
end
$$;


create function stop_answered(at timestamptz)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    answered uuid[];
    colleagues uuid[];
begin
    if not exists (select from inbox_items where followed_at is null) then
        return 0;
    end if;
    with reply as materialized (
        -- An answer of a machine says so in its headers. Where nobody can read them, nobody is written to until then.
        select * from unfollowed_replies
        where is_read or coalesce(received_at, '-infinity') <= at - interval '15 minutes'
    ),
    looked_at as (
        update inbox_items item
        set
            enrollment_id = coalesce(first_reply.enrollment_id, item.enrollment_id),
            thread_id = coalesce(item.thread_id, first_reply.thread_id),
            followed_at = at,
            updated_at = at
        from inbox_items waiting
        left join (
            select distinct on (inbox_item_id) inbox_item_id, enrollment_id, thread_id
            from reply
            order by inbox_item_id, stops desc, enrollment_id
        ) first_reply on first_reply.inbox_item_id = waiting.id
        where item.id = waiting.id
            and waiting.followed_at is null
            and (
                first_reply.enrollment_id is not null
                or waiting.source = 'bison'
                or coalesce(waiting.received_at, '-infinity') < at - interval '2 days'
            )
    ),
    noted as (
        update campaign_enrollments enrollment
        set
            replied_at = least(enrollment.replied_at, first_reply.received_at),
            thread_id = coalesce(enrollment.thread_id, first_reply.thread_id),
            updated_at = at
        from (
            select distinct on (enrollment_id) enrollment_id, coalesce(received_at, at) as received_at, thread_id
            from reply
            where not is_auto_reply
            order by enrollment_id, received_at
        ) first_reply
        where enrollment.id = first_reply.enrollment_id
    )
    select coalesce(array_agg(distinct enrollment_id) filter (where stops), '{}') into answered from reply;

    colleagues := array(
        select other.id
        from campaign_enrollments mine
        join campaigns owner on owner.id = mine.campaign_id and owner.stop_company_on_reply
        join contacts person on person.id = mine.contact_id
        join contacts colleague on colleague.account_id = person.account_id
        join campaign_enrollments other on other.contact_id = colleague.id and other.campaign_id = mine.campaign_id
        where mine.id = any (answered) and other.id <> all (answered)
    );
    return stop_enrollments(answered, 'replied', 'replied', at) + stop_enrollments(colleagues, 'stopped', 'company_replied', at);
end
$$;


create function stop_enrollments(wanted uuid[], new_status text, why text, at timestamptz)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    stopped integer;
begin
    if coalesce(cardinality(wanted), 0) = 0 then
        return 0;
    end if;
    -- First of all: who holds them may be queuing a mail at this moment, which would be seen only afterwards.
    perform from campaign_enrollments where id = any (wanted) order by id for no key update;
    update campaign_enrollments
    set status = new_status, next_step_at = null, held_for = null, stopped_reason = why, updated_at = at
    where id = any (wanted) and status in ('active', 'engaged', 'paused');
    get diagnostics stopped = row_count;
    perform cancel_queued_mail(wanted, why);
    update sms_sends
    set status = 'refused', reason = why, updated_at = at
    where enrollment_id = any (wanted) and status = 'queued' and attempts = 0;
    update campaign_sequence_logs line
    set status = 'stopped', reason = why, updated_at = at
    where line.enrollment_id = any (wanted)
        and line.status = 'pending'
        and (
            exists (
                select from email_sends mail
                where mail.enrollment_id = line.enrollment_id and mail.sequence_id = line.sequence_id and mail.status = 'refused'
            )
            or exists (
                select from sms_sends message
                where message.enrollment_id = line.enrollment_id and message.sequence_id = line.sequence_id
                    and message.status = 'refused'
            )
        );
    return stopped;
end
$$;


create function stop_for_address(
    wanted_org uuid,
    wanted_address text,
    wanted_topic text,
    new_status text,
    why text,
    at timestamptz
)
    returns integer
    language sql
    set search_path to 'public', 'pg_temp'
as $$
    select stop_enrollments(
        array(
            select enrollment.id
            from campaign_enrollments enrollment
            join campaigns owner on owner.id = enrollment.campaign_id
            where enrollment.id in (
                    select theirs.id
                    from contacts person
                    join campaign_enrollments theirs on theirs.contact_id = person.id
                    where normalise_address(person.email) = wanted_address
                    union
                    -- Whose address was changed since has got mail at this one.
                    select mail.enrollment_id from email_sends mail where mail.address = wanted_address
                )
                and (wanted_org is null or enrollment.org_id = wanted_org)
                and (wanted_topic is null or owner.topic = wanted_topic)
        ),
        new_status, why, at
    )
$$;


create function take_back_ended(at timestamptz)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    ended record;
    number integer := 0;
begin
    for ended in
        select coalesce(enrollment.stopped_reason, enrollment.status) as why, array_agg(distinct enrollment.id) as enrollments
        from email_batches batch
        join email_sends mail on mail.batch_id = batch.id and mail.status = 'queued'
        join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
        where batch.purpose = 'campaign' and batch.state = 'queued'
            and enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
        group by 1
        order by 1
    loop
        perform stop_enrollments(ended.enrollments, 'stopped', ended.why, at);
        number := number + cardinality(ended.enrollments);
    end loop;
    return number;
end
$$;


create function take_turn(at timestamptz)
    returns integer
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('campaign_claim', 51));
    return stop_answered(at);
end
$$;


create function unsubscribe_reader(token text, only_topic boolean, at timestamptz)
    returns table(org_id uuid, address text, topic text)
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
#variable_conflict use_column
declare
    mail email_sends;
    wanted text;
begin
    select * into mail from email_sends where unsubscribe_token = token for update;
    if mail.id is null then
        return;
    end if;
    wanted := case when only_topic then mail.topic end;
    if wanted is not null then
        insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
        select mail.org_id, mail.address, wanted, 'unsubscribe', at
        where mail.address is not null
        on conflict do nothing;
    -- Not by the mail's id: whoever consents again and leaves again by the same link has left. A bounce is no word of theirs.
    elsif mail.address is not null
        and coalesce((select suppressed_by from suppression(mail.org_id, 'email', mail.address)), 'hard_bounce') = 'hard_bounce' then
        perform record_consent_events(jsonb_build_array(jsonb_build_object(
            'org_id', mail.org_id, 'channel', 'email', 'address', mail.address, 'kind', 'opt_out',
            'source', 'unsubscribe', 'occurred_at', at
        )));
    end if;
    insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key)
    values (
        mail.id, 'unsubscribed', jsonb_strip_nulls(jsonb_build_object('topic', wanted)), at,
        concat_ws(':', 'unsubscribe', mail.id, wanted)
    )
    on conflict (event_key) do nothing;
    perform refresh_email_send(mail.id);
    return query select mail.org_id, mail.address, wanted;
end
$$;
