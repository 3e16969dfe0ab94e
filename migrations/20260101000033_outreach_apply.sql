-- What one delivery of EmailBison means, in one call.
set local lock_timeout = '5s';

-- The ledger's one way in, for SQL and Python alike: each event once; who opts out or complains is stamped too, so that a
-- change of address does not undo it. Returns how many were new.
create or replace function record_consent_events(events jsonb) returns integer
language sql set search_path = public, pg_temp
as $$
    with given as (
        select distinct on (org_id, channel, address, kind, source, source_event, occurred_at)
            coalesce(org_id, default_org_id()) as org_id, channel, address, kind, source, source_event, evidence, occurred_at
        from jsonb_to_recordset(events) as event (
            org_id uuid, channel text, address text, kind text, source text, source_event text, evidence text,
            occurred_at timestamptz
        )
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
                    and later.occurred_at >= recorded.occurred_at
            )
            and not exists (
                select
                from given later
                where later.channel = 'email' and later.address = recorded.address and later.kind = 'consent'
                    and later.org_id = coalesce(owner.org_id, default_org_id())
                    and later.occurred_at >= recorded.occurred_at
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

create or replace function milliseconds_so_far() returns integer
language sql volatile
as $$ select (1000 * extract(epoch from clock_timestamp() - statement_timestamp()))::integer $$;

create or replace function count_bison_attempt(workspace text, is_success boolean, received timestamptz) returns void
language sql set search_path = public, pg_temp
as $$
    insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
    values (workspace, date_bin('5 minutes', received, '2000-01-01 00:00:00+00'), 1, is_success::integer, received)
    on conflict (workspace_name, slot) do update set
        deliveries = webhook_delivery_slots.deliveries + 1,
        successes = webhook_delivery_slots.successes + excluded.successes,
        last_at = greatest(webhook_delivery_slots.last_at, excluded.last_at)
$$;

-- One line in the log without an effect, and one attempt more in its slot.
create or replace function log_bison_attempt(
    workspace text, type text, is_success boolean, told text, received timestamptz, elapsed_ms integer, inbox bigint, came text
) returns void
language plpgsql set search_path = public, pg_temp
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

-- The lead's times, which only grow, and the person's own data, which are those of the newest event that called the lead
-- interested: so the order in which deliveries come does not show.
create or replace function keep_lead(workspace text, event jsonb, happened_at timestamptz) returns void
language plpgsql set search_path = public, pg_temp
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

-- What a webhook says of an account's state; of two that were true at the same time the worse one holds.
create or replace function keep_account_state(workspace text, instance text, event jsonb, happened_at timestamptz, received timestamptz)
returns void
language plpgsql set search_path = public, pg_temp
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
        workspace_name = excluded.workspace_name,
        status = excluded.status,
        status_at = excluded.status_at,
        recheck_since = excluded.recheck_since,
        removed_at = excluded.removed_at,
        updated_at = now()
    where known.status_at is null
        or known.status_at < excluded.status_at
        or (
            known.status_at = excluded.status_at
            and (excluded.removed_at is not null, excluded.status <> 'Connected')
                > (known.removed_at is not null, known.status <> 'Connected')
        );
end
$$;

-- All effects of one delivery, once however often it comes. `attempt`: workspace_name, event_type, received_at,
-- elapsed_ms, dedupe_key, origin, workspace_id and instance_host as the body claims them, instance. `event`: null where the
-- delivery has no effect. Answers 'processed', 'duplicate', 'ignored' or 'refused'.
create or replace function apply_bison_delivery(attempt jsonb, event jsonb) returns text
language plpgsql set search_path = public, pg_temp
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
    select * into ours from workspaces where name = workspace;
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

-- Totals that EmailBison showed at two moments against what was counted of the time between them. An account's first totals
-- only begin its time. What is missing is filled in where `fills`, dated with the later moment; what was filled in too much,
-- since two clocks never agree on what was before and what after, is taken back.
create or replace function settle_bison_accounts(workspace text, settled_before timestamptz, fills boolean)
returns table (account_id bigint, metric text, missing integer)
language plpgsql set search_path = public, pg_temp
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
        select log.sender_email_id, log.metric, sum(log.amount) as amount
        from ready
        join webhook_delivery_log log
            on log.workspace_name = workspace and log.sender_email_id = ready.sender_email_id
            and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at and log.amount <> 0
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

revoke all on function settle_bison_accounts(text, timestamptz, boolean) from public, anon, authenticated;
grant execute on function settle_bison_accounts(text, timestamptz, boolean) to service_role, crm_relay;
revoke all on function record_consent_events(jsonb), apply_bison_delivery(jsonb, jsonb), keep_lead(text, jsonb, timestamptz),
    count_bison_attempt(text, boolean, timestamptz), log_bison_attempt(text, text, boolean, text, timestamptz, integer, bigint, text),
    keep_account_state(text, text, jsonb, timestamptz, timestamptz) from public, anon, authenticated;
grant execute on function record_consent_events(jsonb), apply_bison_delivery(jsonb, jsonb), keep_lead(text, jsonb, timestamptz),
    count_bison_attempt(text, boolean, timestamptz), log_bison_attempt(text, text, boolean, text, timestamptz, integer, bigint, text),
    keep_account_state(text, text, jsonb, timestamptz, timestamptz) to service_role, crm_relay;
