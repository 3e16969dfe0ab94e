-- Functions of outreach. Written by `make schema`: change it by a migration.


create function add_attempts(workspace text, received timestamptz, n integer, n_good integer)
    returns void
    language plpgsql
as $$
begin
    insert into public.webhook_delivery_slots as known (workspace_name, slot, deliveries, successes, last_at)
    values (workspace, date_bin('5 minutes', received, '2000-01-01 00:00:00+00'), n, n_good, received)
    on conflict (workspace_name, slot) do update set
        deliveries = known.deliveries + excluded.deliveries,
        successes = known.successes + excluded.successes,
        last_at = greatest(known.last_at, excluded.last_at);
end
$$;


create function add_bison_line(
    event_type text,
    workspace_name text,
    success boolean,
    error_message text,
    processing_time_ms integer,
    inbox_id bigint,
    origin text,
    event_key text,
    is_first boolean,
    metric text,
    amount integer,
    occurred_at timestamptz,
    sender_email_id bigint,
    lead_id bigint
)
    returns void
    language plpgsql
as $$
begin
    insert into public.webhook_delivery_log (
        event_type, workspace_name, success, error_message, processing_time_ms, inbox_id, origin, event_key, is_first, metric,
        amount, occurred_at, sender_email_id, lead_id
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
end
$$;


create function add_bison_reply(
    org uuid,
    workspace uuid,
    external text,
    thread text,
    from_whom text,
    subject text,
    received timestamptz,
    automatic boolean
)
    returns void
    language plpgsql
as $$
begin
    insert into public.inbox_items
        (org_id, workspace_id, source, external_id, thread_id, from_address, subject, received_at, is_auto_reply)
    values ($1, $2, 'bison', $3, $4, $5, $6, $7, $8)
    on conflict (source, external_id) do nothing;
end
$$;


create function add_event_keys(its_workspace text, its_keys text[], alone boolean)
    returns void
    language plpgsql
as $$
begin
    insert into public.outreach_event_keys (workspace_key, event_key, is_alone)
    select its_workspace, its_key, alone from unnest(its_keys) as its_key;
end
$$;


create function aggregate_provider_stats()
    returns table(workspace_name text, email_provider text, total_accounts integer, connected_accounts integer,
        total_sent bigint, total_replies bigint, reply_rate_percentage numeric)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    select
        account.workspace_name, coalesce(account.email_provider, 'Other'), count(*)::integer,
        count(*) filter (where account.status = 'Connected')::integer,
        sum(account.emails_sent_count)::bigint, sum(account.total_replied_count)::bigint,
        round(100.0 * coalesce(sum(account.total_replied_count) / nullif(sum(account.emails_sent_count), 0), 0), 2)
    from sender_emails_cache account
    where account.removed_at is null
    group by 1, 2
$$;
grant execute on function aggregate_provider_stats() to authenticated;


create function check_provider_reply_rate_drop(
    threshold_percentage numeric default 20,
    days integer default 7,
    at_least integer default 200
)
    returns table(workspace_name text, email_provider text, previous_rate numeric, current_rate numeric,
        drop_percentage numeric, previous_sent bigint, current_sent bigint)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    with span as (
        select max(history.snapshot_date) as last_day from provider_performance_history history
    ),
    side as (
        select
            history.workspace_name, history.email_provider,
            sum(history.sent_since) filter (where history.snapshot_date > span.last_day - days) as sent_now,
            sum(history.replies_since) filter (where history.snapshot_date > span.last_day - days) as replies_now,
            sum(history.sent_since) filter (where history.snapshot_date <= span.last_day - days) as sent_before,
            sum(history.replies_since) filter (where history.snapshot_date <= span.last_day - days) as replies_before
        from span
        join provider_performance_history history on history.snapshot_date > span.last_day - 2 * days
        group by 1, 2
    ),
    rate as (
        select *, 100.0 * replies_now / sent_now as rate_now, 100.0 * replies_before / sent_before as rate_before
        from side
        where sent_now >= greatest(at_least, 1) and sent_before >= greatest(at_least, 1)
    )
    select
        rate.workspace_name, rate.email_provider, round(rate_before, 2), round(rate_now, 2),
        round(100 * (rate_before - rate_now) / rate_before, 2), sent_before::bigint, sent_now::bigint
    from rate
    where rate_before > 0 and 100 * (rate_before - rate_now) / rate_before > threshold_percentage
$$;
comment on function check_provider_reply_rate_drop(numeric,integer,integer) is 'Providers whose reply rate fell by more than the threshold, the last days against as many before them.';
grant execute on function check_provider_reply_rate_drop(numeric,integer,integer) to authenticated;


create function count_outreach(workspace text, wanted text, n integer, happened_at timestamptz)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    zone text := workspace_zone(workspace);
    its_month date := date_trunc('month', happened_at at time zone zone);
    this_month date := date_trunc('month', now() at time zone zone);
begin
    for attempt in 1..2 loop
        update client_metrics
        set
            emails_sent_mtd = coalesce(emails_sent_mtd, 0) + case wanted when 'emails_sent_mtd' then n else 0 end,
            positive_replies_mtd = coalesce(positive_replies_mtd, 0) + case wanted when 'positive_replies_mtd' then n else 0 end,
            replies_mtd = coalesce(replies_mtd, 0) + case wanted when 'replies_mtd' then n else 0 end,
            bounced_mtd = coalesce(bounced_mtd, 0) + case wanted when 'bounced_mtd' then n else 0 end,
            unsubscribed_mtd = coalesce(unsubscribed_mtd, 0) + case wanted when 'unsubscribed_mtd' then n else 0 end,
            updated_at = clock_timestamp()
        -- An event from a clock ahead of ours may have made the month's row while the month before was the current one.
        where workspace_name = workspace and month = its_month and (metric_type = 'mtd' or its_month <> this_month);
        if found then
            return;
        end if;
        if its_month = this_month then
            perform open_month(workspace, now());
        else
            insert into client_metrics (workspace_name, month, metric_type)
            values (workspace, its_month, 'month')
            on conflict (workspace_name, month) do nothing;
        end if;
    end loop;
end
$$;


create function forget_event_keys()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    execute 'truncate outreach_event_keys';
    return null;
end
$$;
revoke execute on function forget_event_keys() from crm_relay, service_role;


create function get_account_status_stats()
    returns table(workspace_name text, total_accounts integer, connected_accounts integer,
        disconnected_accounts integer, disconnect_rate_percentage numeric)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    select
        account.workspace_name, count(*)::integer, count(*) filter (where account.status = 'Connected')::integer,
        count(*) filter (where account.status is distinct from 'Connected')::integer,
        round(100.0 * count(*) filter (where account.status is distinct from 'Connected') / count(*), 2)
    from sender_emails_cache account
    where account.removed_at is null
    group by 1
$$;
grant execute on function get_account_status_stats() to authenticated;


create function increment_metric(workspace_name text, metric_name text, increment_by integer default 1)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    wanted text := metric_column(metric_name);
    n integer := coalesce(increment_by, 1);
begin
    if nullif(btrim(workspace_name), '') is null then
        raise exception 'increment_metric: a workspace name is needed' using errcode = 'invalid_parameter_value';
    end if;
    if wanted is null then
        raise exception 'increment_metric: unknown metric name' using
            errcode = 'invalid_parameter_value',
            hint = 'emails_sent_mtd, interested_mtd, positive_replies_mtd, replies_mtd, bounces_mtd, bounced_mtd, '
                'unsubscribes_mtd, unsubscribed_mtd';
    end if;
    if n < 0 then
        raise exception 'increment_metric: a negative increment' using errcode = 'invalid_parameter_value';
    end if;
    insert into webhook_delivery_log (event_type, workspace_name, success, origin, metric, amount, occurred_at)
    values (
        'increment_metric', workspace_key(increment_metric.workspace_name), true, 'manual', wanted, n, now()
    );
    perform count_outreach(workspace_now(increment_metric.workspace_name), wanted, n, now());
end
$$;
comment on function increment_metric(text,text,integer) is 'Adds to a workspace''s counter of the current month; refuses other names than the documented and negative increments.';


create function lock_outreach(
    workspace text,
    marks text[],
    account_ids bigint[],
    metrics text[],
    interested bigint[],
    instance text,
    changing bigint[],
    out workspace_id uuid,
    out org_id uuid,
    out bison_workspace_id bigint,
    out bison_instance_url text,
    out was_rejected boolean,
    out fillings jsonb,
    out leads jsonb,
    out accounts jsonb,
    out its_key text,
    out its_name text,
    out counts_automated boolean
)
    returns record
    language plpgsql
as $$
declare
    mark text;
    its_id bigint;
    found_row record;
begin
    its_key := public.workspace_key(workspace);
    perform pg_advisory_xact_lock_shared(hashtextextended(its_key, 30));
    select ours.id, ours.org_id, ours.bison_workspace_id, ours.bison_instance_url, ours.name, ours.counts_automated_replies
    into workspace_id, org_id, bison_workspace_id, bison_instance_url, its_name, counts_automated
    from public.workspace_names known
    join public.workspaces ours on ours.id = known.workspace_id
    where known.name = workspace;
    if not found then
        its_name := workspace;
        org_id := public.default_org_id();
        counts_automated := false;
    end if;
    foreach mark in array marks loop
        perform pg_advisory_xact_lock(hashtextextended(its_key || substring(mark from '/[0-9]+$'), 31));
    end loop;
    for place in 1 .. cardinality(account_ids) loop
        for found_row in
            select id, amount, occurred_at, sender_email_id
            from public.webhook_delivery_log log
            where log.origin = 'polled' and log.amount <> 0 and log.workspace_name = its_key
                and (log.sender_email_id = account_ids[place] or account_ids[place] < 0) and log.metric = metrics[place]
            order by id
            for update
        loop
            fillings := coalesce(fillings, '[]') || jsonb_build_object(
                'account_id', account_ids[place], 'metric', metrics[place], 'id', found_row.id, 'amount', found_row.amount,
                'occurred_at', found_row.occurred_at, 'of_account', found_row.sender_email_id
            );
        end loop;
    end loop;
    foreach its_id in array changing loop
        select workspace_name, status, status_at, recheck_since, removed_at into found_row
        from public.sender_emails_cache
        where bison_instance = instance and sender_email_id = its_id
        for update;
        if found then
            accounts := coalesce(accounts, '[]') || (to_jsonb(found_row) || jsonb_build_object('account_id', its_id));
        end if;
    end loop;
    foreach its_id in array interested loop
        select told_at, told_by into found_row from public.client_leads where workspace_name = its_name and lead_id = its_id;
        if found then
            leads := coalesce(leads, '[]') || jsonb_build_object(
                'lead_id', its_id, 'told_at', found_row.told_at, 'told_by', found_row.told_by
            );
        else
            leads := coalesce(leads, '[]') || jsonb_build_object('lead_id', its_id, 'logged', (
                -- Of one kind the last one in this order is kept, which is the newest.
                select jsonb_object_agg(log.event_type, log.occurred_at order by log.occurred_at)
                from public.webhook_delivery_log log
                where log.workspace_name = its_key and log.lead_id = its_id and log.is_first and log.occurred_at is not null
            ));
        end if;
    end loop;
    was_rejected := exists (select from public.webhook_rejections where source = 'bison' and claimed = its_name and in_a_row > 0);
end
$$;


create function metric_column(metric text)
    returns text
    language sql
    immutable
as $$
    select case metric
        when 'emails_sent_mtd' then 'emails_sent_mtd'
        when 'interested_mtd' then 'positive_replies_mtd'
        when 'positive_replies_mtd' then 'positive_replies_mtd'
        when 'replies_mtd' then 'replies_mtd'
        when 'bounces_mtd' then 'bounced_mtd'
        when 'bounced_mtd' then 'bounced_mtd'
        when 'unsubscribes_mtd' then 'unsubscribed_mtd'
        when 'unsubscribed_mtd' then 'unsubscribed_mtd'
    end
$$;
grant execute on function metric_column(text) to authenticated;


create function move_lead_times(
    workspace text,
    its_id bigint,
    replied timestamptz,
    bounced timestamptz,
    unsubscribed timestamptz
)
    returns void
    language plpgsql
as $$
begin
    update public.client_leads
    set
        replied_at = greatest(replied_at, replied), bounced_at = greatest(bounced_at, bounced),
        unsubscribed_at = greatest(unsubscribed_at, unsubscribed), updated_at = now()
    where workspace_name = workspace and lead_id = its_id;
end
$$;


create function open_month(workspace text, at timestamptz)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into client_metrics (workspace_name, month, metric_type)
    values (workspace, workspace_month(workspace, at), 'mtd')
    on conflict (workspace_name, month) do update set metric_type = 'mtd'
        where client_metrics.metric_type <> 'mtd';
    update client_metrics
    set metric_type = 'month'
    where workspace_name = workspace and metric_type = 'mtd' and month <> workspace_month(workspace, at);
end
$$;


create function put_account_state(
    instance text,
    account_id bigint,
    its_status text,
    since timestamptz,
    recheck timestamptz,
    removed timestamptz
)
    returns void
    language plpgsql
as $$
begin
    update public.sender_emails_cache
    set status = its_status, status_at = since, recheck_since = recheck, removed_at = removed, updated_at = now()
    where bison_instance = instance and sender_email_id = account_id;
end
$$;


create function put_lead(
    workspace text,
    its_id bigint,
    email text,
    first_name text,
    last_name text,
    company text,
    title text,
    received timestamptz,
    campaign_id bigint,
    campaign_name text,
    account_id bigint,
    called_at timestamptz,
    called_by text,
    replied timestamptz,
    bounced timestamptz,
    unsubscribed timestamptz
)
    returns void
    language plpgsql
as $$
begin
    insert into public.client_leads as known (
        workspace_name, lead_id, lead_email, first_name, last_name, company, title, date_received, campaign_id, campaign_name,
        sender_email_id, told_at, told_by, interested_at, replied_at, bounced_at, unsubscribed_at
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $14, $15, $16)
    on conflict (workspace_name, lead_id) do update set
        lead_email = excluded.lead_email, first_name = excluded.first_name, last_name = excluded.last_name,
        company = excluded.company, title = excluded.title, date_received = excluded.date_received,
        campaign_id = excluded.campaign_id, campaign_name = excluded.campaign_name, sender_email_id = excluded.sender_email_id,
        told_at = excluded.told_at, told_by = excluded.told_by, interested_at = excluded.interested_at,
        replied_at = greatest(known.replied_at, excluded.replied_at),
        bounced_at = greatest(known.bounced_at, excluded.bounced_at),
        unsubscribed_at = greatest(known.unsubscribed_at, excluded.unsubscribed_at),
        updated_at = now();
end
$$;


create function rekey_outreach(former text, present text)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    its_key constant text := workspace_key(present);
    line record;
begin
    if former = its_key then
        return;
    end if;
    for line in
        with again as (
            select log.id, log.amount
            from webhook_delivery_log log
            join webhook_delivery_log known on known.workspace_name = its_key and known.event_key = log.event_key and known.is_first
            where log.workspace_name = former and log.is_first
        )
        update webhook_delivery_log log
        set is_first = false, amount = 0
        from again
        where log.id = again.id
        returning log.metric, again.amount, log.occurred_at
    loop
        if line.amount <> 0 and line.metric is not null then
            perform count_outreach(present, line.metric, -line.amount, line.occurred_at);
        end if;
    end loop;
    update webhook_delivery_log set workspace_name = its_key where workspace_name = former;
end
$$;


create function relabel_outreach(former text, present text)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(workspace_key(present), 30));
    if former = present then
        return;
    end if;

    update client_leads lead
    set
        lead_email = coalesce(former_one.lead_email, lead.lead_email),
        first_name = coalesce(former_one.first_name, lead.first_name),
        last_name = coalesce(former_one.last_name, lead.last_name), company = coalesce(former_one.company, lead.company),
        title = coalesce(former_one.title, lead.title), date_received = former_one.date_received,
        campaign_id = former_one.campaign_id, campaign_name = former_one.campaign_name,
        sender_email_id = former_one.sender_email_id, told_at = former_one.told_at, told_by = former_one.told_by
    from client_leads former_one
    where former_one.workspace_name = former and lead.workspace_name = present and lead.lead_id = former_one.lead_id
        and (former_one.told_at, coalesce(former_one.told_by, '')) > (lead.told_at, coalesce(lead.told_by, ''));
    with gone as (delete from client_leads former_one
        using client_leads lead
        where former_one.workspace_name = former and lead.workspace_name = present and lead.lead_id = former_one.lead_id
        returning former_one.*
    )
    update client_leads lead
    set
        interested_at = greatest(lead.interested_at, gone.interested_at),
        replied_at = greatest(lead.replied_at, gone.replied_at), bounced_at = greatest(lead.bounced_at, gone.bounced_at),
        unsubscribed_at = greatest(lead.unsubscribed_at, gone.unsubscribed_at), updated_at = now()
    from gone
    where lead.workspace_name = present and lead.lead_id = gone.lead_id;
    update client_leads set workspace_name = present where workspace_name = former;

    with gone as (delete from client_metrics former_one
        using client_metrics metrics
        where former_one.workspace_name = former and metrics.workspace_name = present and metrics.month = former_one.month
        returning former_one.*
    )
    update client_metrics metrics
    set
        emails_sent_mtd = coalesce(metrics.emails_sent_mtd, 0) + coalesce(gone.emails_sent_mtd, 0),
        positive_replies_mtd = coalesce(metrics.positive_replies_mtd, 0) + coalesce(gone.positive_replies_mtd, 0),
        replies_mtd = coalesce(metrics.replies_mtd, 0) + coalesce(gone.replies_mtd, 0),
        bounced_mtd = coalesce(metrics.bounced_mtd, 0) + coalesce(gone.bounced_mtd, 0),
        unsubscribed_mtd = coalesce(metrics.unsubscribed_mtd, 0) + coalesce(gone.unsubscribed_mtd, 0),
        updated_at = clock_timestamp()
    from gone
    where metrics.workspace_name = present and metrics.month = gone.month;
    update client_metrics set workspace_name = present where workspace_name = former;

    with gone as (delete from provider_performance_history former_one
        using provider_performance_history history
        where former_one.workspace_name = former and history.workspace_name = present
            and history.email_provider = former_one.email_provider and history.snapshot_date = former_one.snapshot_date
        returning former_one.*
    )
    update provider_performance_history history
    set sent_since = history.sent_since + gone.sent_since, replies_since = history.replies_since + gone.replies_since
    from gone
    where history.workspace_name = present and history.email_provider = gone.email_provider
        and history.snapshot_date = gone.snapshot_date;
    update provider_performance_history set workspace_name = present where workspace_name = former;

    with gone as (delete from webhook_delivery_slots former_one
        using webhook_delivery_slots slots
        where former_one.workspace_name = former and slots.workspace_name = present and slots.slot = former_one.slot
        returning former_one.*
    )
    update webhook_delivery_slots slots
    set
        deliveries = slots.deliveries + gone.deliveries, successes = slots.successes + gone.successes,
        last_at = greatest(slots.last_at, gone.last_at)
    from gone
    where slots.workspace_name = present and slots.slot = gone.slot;
    update webhook_delivery_slots set workspace_name = present where workspace_name = former;

    update webhook_rejections set claimed = present
    where source = 'bison' and claimed = former
        and not exists (select from webhook_rejections other where other.source = 'bison' and other.claimed = present);
    update webhook_rejections set in_a_row = 0 where source = 'bison' and claimed = former;
    update sender_emails_cache set workspace_name = present, updated_at = now() where workspace_name = former;
    -- Where both have been read, the reading of today's name goes on.
    update bison_polls set workspace_name = present
    where workspace_name = former and not exists (select from bison_polls other where other.workspace_name = present);
    update incidents incident
    set workspace_name = present, subject = case subject when former then present else subject end
    where incident.workspace_name = former and incident.closed_at is null
        and not exists (
            select
            from incidents other
            where other.kind = incident.kind and other.closed_at is null and incident.subject = former and other.subject = present
        );
end
$$;


create function relabel_workspace()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    known_name text;
begin
    if new.org_id is distinct from default_org_id()
        and exists (select from workspace_names where name = new.name and since >= now())
        and (
            exists (select from client_leads where workspace_name = new.name)
            or exists (select from webhook_delivery_log where workspace_name = new.name)
        )
    then
        raise exception 'deliveries of another workspace were counted under this name' using
            errcode = 'unique_violation', table = 'workspaces', constraint = 'workspace_name_is_not_reused',
            hint = 'Choose another name, also in BISON_WEBHOOK_TOKENS and BISON_API_TOKENS.';
    end if;
    for known_name in select name from workspace_names where workspace_id = new.id order by since, name loop
        perform relabel_outreach(known_name, new.name);
        perform rekey_outreach(known_name, new.name);
    end loop;
    return null;
end
$$;
revoke execute on function relabel_workspace() from crm_relay, service_role;


create function workspace_month(workspace text, at timestamptz)
    returns date
    language plpgsql
    stable
as $$
begin
    return date_trunc('month', at at time zone public.workspace_zone(workspace));
end
$$;
grant execute on function workspace_month(text,timestamptz) to authenticated;
