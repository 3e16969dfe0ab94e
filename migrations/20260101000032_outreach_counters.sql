-- Counters by workspace and month, in the workspace's own zone; and the questions that are asked of accounts and providers.
set local lock_timeout = '5s';

create or replace function workspace_month(workspace text, at timestamptz) returns date
language sql stable set search_path = public, pg_temp
as $$
    select date_trunc('month', at at time zone coalesce((select timezone from workspaces where name = workspace), 'UTC'))::date
$$;

-- The counter's column of a name; the document uses two names for three of them.
create or replace function metric_column(metric text) returns text
language sql immutable
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

-- Makes the row of the current month, and tells the one before that it is over: a month without events has to begin as well.
create or replace function open_month(workspace text, at timestamptz) returns void
language plpgsql set search_path = public, pg_temp
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

-- Adds to the month in which it happened, which may be over. `wanted` is a column's name, `n` may take away.
create or replace function count_outreach(workspace text, wanted text, n integer, happened_at timestamptz) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    its_month date := workspace_month(workspace, happened_at);
    this_month date := workspace_month(workspace, now());
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

-- The document's function. A line in the log goes with it, so that a counter made anew from the log has it too.
create or replace function increment_metric(workspace_name text, metric_name text, increment_by integer default 1) returns void
language plpgsql set search_path = public, pg_temp
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
    values ('increment_metric', increment_metric.workspace_name, true, 'manual', wanted, n, now());
    perform count_outreach(increment_metric.workspace_name, wanted, n, now());
end
$$;

-- One row a workspace and provider, of the accounts that are there now.
create or replace function aggregate_provider_stats() returns table (
    workspace_name text, email_provider text, total_accounts integer, connected_accounts integer,
    total_sent bigint, total_replies bigint, reply_rate_percentage numeric
)
language sql stable set search_path = public, pg_temp
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

create or replace function get_account_status_stats() returns table (
    workspace_name text, total_accounts integer, connected_accounts integer, disconnected_accounts integer,
    disconnect_rate_percentage numeric
)
language sql stable set search_path = public, pg_temp
as $$
    select
        account.workspace_name, count(*)::integer, count(*) filter (where account.status = 'Connected')::integer,
        count(*) filter (where account.status is distinct from 'Connected')::integer,
        round(100.0 * count(*) filter (where account.status is distinct from 'Connected') / count(*), 2)
    from sender_emails_cache account
    where account.removed_at is null
    group by 1
$$;

-- The last `days` against those before them, by what was sent in them and not since the beginning: an old account's total
-- hides a fall for months. Fewer than `at_least` e-mails on either side say nothing.
create or replace function check_provider_reply_rate_drop(
    threshold_percentage numeric default 20, days integer default 7, at_least integer default 200
) returns table (
    workspace_name text, email_provider text, previous_rate numeric, current_rate numeric, drop_percentage numeric,
    previous_sent bigint, current_sent bigint
)
language sql stable set search_path = public, pg_temp
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

revoke all on function open_month(text, timestamptz), count_outreach(text, text, integer, timestamptz),
    increment_metric(text, text, integer) from public, anon, authenticated;
grant execute on function open_month(text, timestamptz), count_outreach(text, text, integer, timestamptz),
    increment_metric(text, text, integer) to service_role, crm_relay;
revoke all on function workspace_month(text, timestamptz), metric_column(text), aggregate_provider_stats(),
    get_account_status_stats(), check_provider_reply_rate_drop(numeric, integer, integer) from public, anon;
grant execute on function workspace_month(text, timestamptz), metric_column(text), aggregate_provider_stats(),
    get_account_status_stats(), check_provider_reply_rate_drop(numeric, integer, integer)
    to authenticated, service_role, crm_relay;

comment on function increment_metric(text, text, integer) is
    'Adds to a workspace''s counter of the current month; refuses other names than the documented and negative increments.';
comment on function check_provider_reply_rate_drop(numeric, integer, integer) is
    'Providers whose reply rate fell by more than the threshold, the last days against as many before them.';
