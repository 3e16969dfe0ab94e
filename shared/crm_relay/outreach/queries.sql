-- name: note_rejection
-- A call without a valid token, one more in a row; an hour of peace begins a new row.
insert into webhook_rejections as known (source, claimed, in_a_row, last_at)
values ('bison', workspace_now(:claimed), 1, :now)
on conflict (source, claimed) do update set
    in_a_row = case when known.last_at < excluded.last_at - interval '1 hour' then 1 else known.in_a_row + 1 end,
    last_at = excluded.last_at
returning in_a_row, claimed;

-- name: rejections_over
-- Whose good delivery came in since; of calls that name no workspace of ours only an hour of peace can say so.
select claimed
from webhook_rejections
where source = 'bison'
    and (in_a_row = 0 or (claimed = :unknown and last_at < cast(:now as timestamptz) - interval '1 hour'));

-- name: begin_poll
-- Begin a reading, or go on with one that was cut off, unless it is so old that it is none any more.
with begun as (
    insert into bison_polls as poll (workspace_name, cycle)
    values (workspace_now(:workspace_name), :now)
    on conflict (workspace_name) do update set
        cycle = excluded.cycle, next_page = 1, pass = 1, is_steady = true, total = null
        where not (coalesce(poll.completed_at < poll.cycle, true) and coalesce(poll.cycle > :oldest, false))
    returning cycle, next_page, pass
)
select cycle, next_page, pass from begun
union all
select cycle, next_page, pass from bison_polls where workspace_name = workspace_now(:workspace_name) and not exists (select from begun);

-- name: keep_page
-- One page of accounts and how far the reading is, in one statement. Of a webhook and a page the later one is believed.
with page as materialized (
    select *
    from jsonb_to_recordset(:accounts) as account (
        account_id bigint, email text, name text, status text, account_type text, daily_limit integer, warmup_enabled boolean,
        emails_sent bigint, replied bigint, unique_replied bigint, bounced bigint, unsubscribed bigint, interested bigint,
        leads_contacted bigint, tags jsonb, provider text, reseller text
    )
),
kept as (
    insert into sender_emails_cache as known (
        workspace_name, bison_instance, sender_email_id, email_address, name, status, status_at, account_type, daily_limit,
        warmup_enabled, emails_sent_count, total_replied_count, unique_replied_count, bounced_count, unsubscribed_count,
        interested_leads_count, total_leads_contacted_count, tags, email_provider, reseller, seen_in, last_synced_at
    )
    select
        workspace_now(:workspace_name), :instance, account_id, email, name, status, :asked_at, account_type, daily_limit, warmup_enabled,
        coalesce(emails_sent, 0), coalesce(replied, 0), coalesce(unique_replied, 0), coalesce(bounced, 0),
        coalesce(unsubscribed, 0), coalesce(interested, 0), coalesce(leads_contacted, 0), coalesce(tags, '[]'), provider,
        reseller, cast(:cycle as timestamptz), :asked_at
    from page
    order by account_id
    on conflict (bison_instance, sender_email_id) do update set
        workspace_name = excluded.workspace_name,
        email_address = excluded.email_address,
        name = excluded.name,
        status = case when known.status_at > excluded.status_at then known.status else excluded.status end,
        status_at = greatest(known.status_at, excluded.status_at),
        recheck_since = case when known.recheck_since > excluded.status_at then known.recheck_since end,
        removed_at = case when known.removed_at > excluded.status_at then known.removed_at end,
        account_type = excluded.account_type,
        daily_limit = excluded.daily_limit,
        warmup_enabled = excluded.warmup_enabled,
        emails_sent_count = excluded.emails_sent_count,
        total_replied_count = excluded.total_replied_count,
        unique_replied_count = excluded.unique_replied_count,
        bounced_count = excluded.bounced_count,
        unsubscribed_count = excluded.unsubscribed_count,
        interested_leads_count = excluded.interested_leads_count,
        total_leads_contacted_count = excluded.total_leads_contacted_count,
        tags = excluded.tags,
        -- Tags are wiped when an account reconnects: none says nothing about a provider that was known.
        email_provider = coalesce(excluded.email_provider, known.email_provider),
        reseller = coalesce(excluded.reseller, known.reseller),
        seen_in = coalesce(excluded.seen_in, known.seen_in),
        last_synced_at = excluded.last_synced_at,
        updated_at = now()
    where known.last_synced_at is null or known.last_synced_at <= excluded.last_synced_at
    returning 1
),
progress as (
    update bison_polls
    set
        next_page = :next_page,
        is_steady = is_steady and (total is null or :is_first_page or total = :total),
        total = :total
    where workspace_name = workspace_now(:workspace_name) and cycle = cast(:cycle as timestamptz)
)
select count(*)::integer as kept from kept;

-- name: pass_outcome
-- Whether what stood on the pages can have been everything.
select
    (
        select count(*)::integer
        from sender_emails_cache
        where workspace_name = poll.workspace_name and seen_in = poll.cycle and removed_at is null
    ) as seen,
    poll.total,
    poll.is_steady,
    array(
        select sender_email_id
        from sender_emails_cache
        where workspace_name = poll.workspace_name and removed_at is null and seen_in is distinct from poll.cycle
        order by sender_email_id
        limit :limit
    ) as unseen
from bison_polls poll
where workspace_name = workspace_now(:workspace_name);

-- name: next_pass
-- The pages moved while they were read: from the first one again, in the same reading.
update bison_polls set next_page = 1, pass = pass + 1, is_steady = true, total = null where workspace_name = workspace_now(:workspace_name);

-- name: complete_poll
-- Only now is the reading one that counts; the next one begins at the first page.
update bison_polls
set completed_at = :now, next_page = 1, error = null, accounts = :accounts
where workspace_name = workspace_now(:workspace_name) and cycle = :cycle;

-- name: fail_poll
-- What an operator reads first; the reading stays where it was.
update bison_polls set error = :error where workspace_name = workspace_now(:workspace_name);

-- name: remove_accounts
-- EmailBison does not know them any more, asked one by one.
update sender_emails_cache
set removed_at = :now, status = 'Disconnected', status_at = :now, recheck_since = null, updated_at = now()
where bison_instance = :instance and workspace_name = workspace_now(:workspace_name) and sender_email_id = any (:account_ids::bigint[]);

-- name: accounts_to_recheck
-- A webhook said that they are disconnected, which may be over by now.
select sender_email_id
from sender_emails_cache
where workspace_name = workspace_now(:workspace_name) and recheck_since is not null and removed_at is null
order by recheck_since
limit :limit;

-- name: disconnected_accounts
-- Looked at again, or read from a page: not those of which only a webhook says so.
select sender_email_id, email_address, email_provider
from sender_emails_cache
where workspace_name = workspace_now(:workspace_name) and status <> 'Connected' and removed_at is null and recheck_since is null
order by email_address;

-- name: next_workspaces
-- Whose accounts were read longest ago comes first, so that a run that is always too short starves nobody.
select wanted.name
from unnest(:names::text[]) as wanted (name)
left join bison_polls poll on poll.workspace_name = workspace_now(wanted.name)
order by poll.completed_at nulls first, wanted.name;

-- name: open_months
-- A month begins for every workspace, also where nothing happens in it.
select count(*)::integer as opened
from (
    select open_month(workspace.name, :now)
    from workspaces workspace
    where workspace.bison_workspace_id is not null
        and not exists (
            select
            from client_metrics metrics
            where metrics.workspace_name = workspace.name and metrics.metric_type = 'mtd'
                and metrics.month = workspace_month(workspace.name, :now)
        )
    offset 0
) opened;

-- name: health
-- Every workspace as its page shows it, and what is being told of it already.
select
    health.workspace_name, health.last_webhook_at, health.webhook_count_24h as deliveries, health.success_rate_24h as success_rate,
    health.is_silent, workspace.bison_silence_hours as silence_hours, is_time_zone(workspace.timezone) as has_zone,
    exists (
        select
        from incidents
        where kind = 'webhook_health' and subject = health.workspace_name and closed_at is null
    ) as is_open
from webhook_health health
join workspaces workspace on workspace.name = health.workspace_name
order by health.workspace_name;

-- name: hooks_due
-- Workspaces whose registration was not looked at for an hour.
select wanted.name
from unnest(:names::text[]) as wanted (name)
left join bison_polls poll on poll.workspace_name = workspace_now(wanted.name)
where poll.hooks_checked_at is null or poll.hooks_checked_at <= :before;

-- name: hooks_checked
-- So that the next look is an hour away.
insert into bison_polls (workspace_name, hooks_checked_at)
select distinct workspace_now(name), cast(:now as timestamptz) from unnest(:names::text[]) as checked (name)
on conflict (workspace_name) do update set hooks_checked_at = excluded.hooks_checked_at;

-- name: keep_workspace
-- What EmailBison says of the workspace; the organization and the zone are the installation's own. It may have been renamed here.
with renamed as (
    update workspaces
    set
        bison_workspace_id = coalesce(:workspace_id, bison_workspace_id),
        bison_instance_url = coalesce(bison_instance_url, :instance_url)
    where id = (select workspace_id from workspace_names where name = :name) and name <> :name
    returning id
)
insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
select default_org_id(), :name, :workspace_id, :instance_url
where not exists (select from renamed)
on conflict (name) do update set
    bison_workspace_id = coalesce(excluded.bison_workspace_id, workspaces.bison_workspace_id),
    bison_instance_url = coalesce(workspaces.bison_instance_url, excluded.bison_instance_url);

-- name: present_names
-- What the workspaces of these names are called today.
select wanted.name, workspace_now(wanted.name) as present from unnest(:names::text[]) as wanted (name);

-- name: workspace_ids
-- Which number EmailBison gave each workspace, as far as it is known here, by the name that it has or had.
select known.name, workspace.bison_workspace_id
from workspace_names known
join workspaces workspace on workspace.id = known.workspace_id
where known.name = any (:names::text[]) and workspace.bison_workspace_id is not null;

-- name: last_line
-- After which line of the log a test has to show.
select coalesce(max(id), 0) as id from webhook_delivery_log where workspace_name = workspace_key(:workspace_name);

-- name: arrived_after
-- Whether a test that was sent has come in.
select exists (
    select
    from webhook_delivery_log
    where workspace_name = workspace_key(:workspace_name) and event_type = :event_type and id > :line
) as arrived;

-- name: snapshot_providers
-- The day's row of each provider: added up account by account, so that an account which leaves takes nothing away.
-- A second report of the same day adds to what the first one counted.
with fresh as materialized (
    select
        id, workspace_name, coalesce(email_provider, 'Other') as email_provider, status, removed_at, emails_sent_count,
        total_replied_count,
        case when reported is null then 0 else greatest(emails_sent_count - (reported ->> 'sent')::bigint, 0) end as sent_since,
        case when reported is null then 0 else greatest(total_replied_count - (reported ->> 'replies')::bigint, 0) end
            as replies_since
    from sender_emails_cache
),
noted as (
    update sender_emails_cache account
    set reported = jsonb_build_object('sent', fresh.emails_sent_count, 'replies', fresh.total_replied_count)
    from fresh
    where account.id = fresh.id
        and account.reported is distinct from
            jsonb_build_object('sent', fresh.emails_sent_count, 'replies', fresh.total_replied_count)
),
day as (
    insert into provider_performance_history as known (
        snapshot_date, workspace_name, email_provider, total_accounts, connected_accounts, total_sent, total_replies,
        reply_rate_percentage, sent_since, replies_since
    )
    select
        (cast(:now as timestamptz) at time zone usable_zone(workspace.timezone))::date, fresh.workspace_name, email_provider,
        count(*) filter (where removed_at is null), count(*) filter (where removed_at is null and status = 'Connected'),
        coalesce(sum(emails_sent_count) filter (where removed_at is null), 0),
        coalesce(sum(total_replied_count) filter (where removed_at is null), 0),
        round(coalesce(
            100.0 * sum(total_replied_count) filter (where removed_at is null)
                / nullif(sum(emails_sent_count) filter (where removed_at is null), 0), 0), 2),
        sum(sent_since), sum(replies_since)
    from fresh
    left join workspaces workspace on workspace.name = fresh.workspace_name
    group by 1, 2, 3
    having count(*) filter (where removed_at is null) > 0 or sum(sent_since) > 0
    on conflict (workspace_name, email_provider, snapshot_date) do update set
        total_accounts = excluded.total_accounts, connected_accounts = excluded.connected_accounts,
        total_sent = excluded.total_sent, total_replies = excluded.total_replies,
        reply_rate_percentage = excluded.reply_rate_percentage,
        sent_since = known.sent_since + excluded.sent_since, replies_since = known.replies_since + excluded.replies_since
    returning 1
)
select count(*)::integer as rows from day;

-- name: reply_rates
-- What each provider sent and got back in a workspace's last days, and in those before. A row dated ahead counts for nobody.
with span as (
    select workspace_name, max(snapshot_date) as last_day
    from provider_performance_history
    where snapshot_date <= (cast(:now as timestamptz) at time zone 'UTC')::date + 1
        and snapshot_date > (cast(:now as timestamptz) at time zone 'UTC')::date - cast(:days as integer)
    group by 1
)
select
    history.workspace_name, history.email_provider,
    coalesce(sum(sent_since) filter (where snapshot_date <= last_day - cast(:days as integer)), 0)::bigint as previous_sent,
    coalesce(sum(replies_since) filter (where snapshot_date <= last_day - cast(:days as integer)), 0)::bigint as previous_replies,
    coalesce(sum(sent_since) filter (where snapshot_date > last_day - cast(:days as integer)), 0)::bigint as current_sent,
    coalesce(sum(replies_since) filter (where snapshot_date > last_day - cast(:days as integer)), 0)::bigint as current_replies
from span
join provider_performance_history history on history.workspace_name = span.workspace_name
    and snapshot_date <= last_day and snapshot_date > last_day - cast(:days as integer) - cast(:days_before as integer)
group by 1, 2
order by 1, 2;

-- name: metric_drift
-- Counters of a month against the log that they are the sum of; none where they agree.
with span as materialized (
    select
        workspace_key(name) as its_key, cast(:month as date)::timestamp at time zone usable_zone(timezone) as begins_at,
        (cast(:month as date) + interval '1 month') at time zone usable_zone(timezone) as ends_at
    from workspaces
),
logged as (
    select
        log.workspace_name,
        sum(amount) filter (where metric = 'emails_sent_mtd') as emails_sent_mtd,
        sum(amount) filter (where metric = 'positive_replies_mtd') as positive_replies_mtd,
        sum(amount) filter (where metric = 'replies_mtd') as replies_mtd,
        sum(amount) filter (where metric = 'bounced_mtd') as bounced_mtd,
        sum(amount) filter (where metric = 'unsubscribed_mtd') as unsubscribed_mtd
    from webhook_delivery_log log
    left join span on span.its_key = log.workspace_name
    where amount <> 0
        and occurred_at >= coalesce(span.begins_at, cast(:month as date)::timestamp at time zone 'UTC')
        and occurred_at < coalesce(span.ends_at, (cast(:month as date) + interval '1 month') at time zone 'UTC')
    group by 1
),
named as (
    select
        workspace_now(workspace_name) as workspace_name, emails_sent_mtd, positive_replies_mtd, replies_mtd, bounced_mtd,
        unsubscribed_mtd
    from logged
)
select
    coalesce(logged.workspace_name, counted.workspace_name) as workspace_name, each.metric,
    each.logged::integer as logged, each.counted::integer as counted
from named logged
full join (select * from client_metrics where month = cast(:month as date)) counted
    on counted.workspace_name = logged.workspace_name
cross join lateral (
    values
        ('emails_sent_mtd', coalesce(logged.emails_sent_mtd, 0), coalesce(counted.emails_sent_mtd, 0)),
        ('positive_replies_mtd', coalesce(logged.positive_replies_mtd, 0), coalesce(counted.positive_replies_mtd, 0)),
        ('replies_mtd', coalesce(logged.replies_mtd, 0), coalesce(counted.replies_mtd, 0)),
        ('bounced_mtd', coalesce(logged.bounced_mtd, 0), coalesce(counted.bounced_mtd, 0)),
        ('unsubscribed_mtd', coalesce(logged.unsubscribed_mtd, 0), coalesce(counted.unsubscribed_mtd, 0))
) as each (metric, logged, counted)
where each.logged <> each.counted
order by 1, 2;

-- name: correct_metrics
-- By the difference and not to the value: what is counted meanwhile stays counted.
select count(*)::integer as corrected
from (
    select count_outreach(drift.workspace_name, drift.metric, drift.difference,
        (cast(:month as date) + 1)::timestamp at time zone 'UTC')
    from jsonb_to_recordset(:differences) as drift (workspace_name text, metric text, difference integer)
    order by drift.workspace_name, drift.metric
    offset 0
) done;

-- name: begin_settling
-- Notes the totals that are to be compared once every webhook up to now has had its time to arrive.
update sender_emails_cache
set
    settling = jsonb_build_object('emails_sent_mtd', emails_sent_count, 'replies_mtd', total_replied_count,
        'positive_replies_mtd', interested_leads_count, 'bounced_mtd', bounced_count, 'unsubscribed_mtd', unsubscribed_count,
        'workspace', workspace_key(workspace_name)),
    settling_at = last_synced_at
where workspace_name = workspace_now(:workspace_name) and settling is null and last_synced_at is distinct from settled_at;

-- name: lock_totals
-- Nothing may be on its way in while totals are compared: each delivery of the workspace holds this lock together with others.
select pg_advisory_xact_lock(hashtextextended(workspace_key(:workspace_name), 30));

-- name: lock_settling
-- The accounts whose totals are old enough, locked.
select sender_email_id
from sender_emails_cache
where workspace_name = workspace_now(:workspace_name) and settling_at <= :settled_before
order by sender_email_id
for no key update;

-- name: totals_to_settle
-- Their totals at both moments, what was counted between them and filled in so far; work for another workspace was counted there.
with ready as materialized (
    select sender_email_id, settled, settled_at, settling, settling_at
    from sender_emails_cache
    where workspace_name = workspace_now(:workspace_name) and settling_at <= :settled_before
),
counted as (
    select sender_email_id, jsonb_object_agg(metric, amount) as amounts
    from (
        select log.sender_email_id, log.metric, sum(log.amount) as amount
        from ready
        join webhook_delivery_log log
            on log.workspace_name = workspace_key(:workspace_name) and log.sender_email_id = ready.sender_email_id
            and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at and log.amount <> 0
            and log.metric is not null
        group by 1, 2
    ) summed
    group by 1
),
uncounted as (
    select log.sender_email_id, count(*) as replies
    from ready
    join webhook_delivery_log log
        on log.workspace_name = workspace_key(:workspace_name) and log.sender_email_id = ready.sender_email_id
        and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at
        and log.is_first and log.metric is null and log.event_type = 'lead_replied'
    group by 1
),
filled as (
    select sender_email_id, jsonb_object_agg(metric, amount) as amounts
    from (
        select sender_email_id, metric, sum(amount) as amount
        from webhook_delivery_log
        where workspace_name = workspace_key(:workspace_name) and origin = 'polled' and amount <> 0
        group by 1, 2
    ) summed
    group by 1
)
select
    ready.sender_email_id as account_id, ready.settling_at, coalesce(ready.settled -> 'ahead', '{}') as ahead,
    jsonb_strip_nulls(
        case when workspace_key(ready.settled ->> 'workspace') = workspace_key(:workspace_name) then ready.settled - '{workspace,ahead}'::text[] else '{}' end
    ) as before,
    jsonb_strip_nulls(
        case when workspace_key(ready.settling ->> 'workspace') = workspace_key(:workspace_name) then ready.settling - '{workspace}'::text[] else '{}' end
    ) as after,
    coalesce(counted.amounts, '{}') as counted, coalesce(filled.amounts, '{}') as filled, coalesce(uncounted.replies, 0) as uncounted
from ready
left join uncounted on uncounted.sender_email_id = ready.sender_email_id
left join counted on counted.sender_email_id = ready.sender_email_id
left join filled on filled.sender_email_id = ready.sender_email_id
order by ready.sender_email_id;

-- name: loose_events
-- Events around that time that name no account: counted already, and shown in the totals of one of them.
select log.id, coalesce(log.metric, 'replies_mtd') as metric
from (
    select min(settled_at) as begins_at, max(settling_at) as ends_at
    from sender_emails_cache
    where workspace_name = workspace_now(:workspace_name) and settling_at <= :settled_before
) span
join webhook_delivery_log log on log.workspace_name = workspace_key(:workspace_name) and log.sender_email_id is null
    and log.occurred_at > span.begins_at - interval '2 hours' and log.occurred_at <= span.ends_at
    and log.origin in ('webhook', 'deferred', 'replay')
    and (log.amount = 1 or log.is_first and log.metric is null and log.event_type = 'lead_replied')
order by log.occurred_at, log.id;

-- name: name_accounts
-- The account whose total an event explains.
update webhook_delivery_log log
set sender_email_id = explained.account_id
from :events as explained (id bigint, account_id bigint)
where log.id = explained.id;

-- name: note_missing
-- What is missing, tagged and dated with the later moment, and the counters that it moves; a line that is there counted before.
with noted as (
    insert into webhook_delivery_log
        (event_type, workspace_name, success, origin, event_key, is_first, metric, amount, occurred_at, sender_email_id)
    select
        'polled_total', workspace_key(:workspace_name), true, 'polled',
        'polled:' || gap.account_id || ':' || gap.metric || ':' || extract(epoch from gap.occurred_at), true, gap.metric, gap.missing,
        gap.occurred_at, gap.account_id
    from :gaps as gap (account_id bigint, metric text, missing integer, occurred_at timestamptz)
    order by gap.account_id, gap.metric
    on conflict (workspace_name, event_key) where is_first do nothing
    returning metric, amount, occurred_at
)
select count_outreach(workspace_now(:workspace_name), total.metric, total.amount, total.occurred_at) as counted
from (
    select metric, sum(amount)::integer as amount, occurred_at from noted group by metric, occurred_at order by occurred_at, metric
) total;

-- name: advance_totals
-- The later totals are the earlier ones of the next comparison.
update sender_emails_cache account
set
    settled = account.settling || jsonb_build_object('ahead', advanced.ahead), settled_at = account.settling_at, settling = null,
    settling_at = null
from :accounts as advanced (account_id bigint, ahead jsonb)
where account.sender_email_id = advanced.account_id and account.workspace_name = workspace_now(:workspace_name)
    and account.settling_at <= :settled_before;

-- name: deliveries_to_replay
-- Which deliveries a replay would take up; one that was redacted would be another event than it was.
select count(*)::integer as deliveries, count(*) filter (where applied_at is null)::integer as waiting
from webhook_inbox inbox
where source = 'bison' and redacted_at is null and body is not null and received_at >= :since
    and (cast(:workspace_name as text) is null or inbox.workspace_name = any (array(
        select same.name
        from workspace_names known
        join workspace_names same on same.workspace_id = known.workspace_id
        where known.name = :workspace_name
    ) || array[cast(:workspace_name as text)]))
    and (not :failed_only or applied_at is null or error is not null)
    and (
        cast(:event_type as text) is null
        or exists (select from webhook_delivery_log log where log.inbox_id = inbox.id and log.event_type = :event_type)
    );

-- name: replay_page
-- The same deliveries, a page at a time.
select id, workspace_name, body, received_at, headers
from webhook_inbox inbox
where source = 'bison' and redacted_at is null and body is not null and received_at >= :since and id > :after
    and (cast(:workspace_name as text) is null or inbox.workspace_name = any (array(
        select same.name
        from workspace_names known
        join workspace_names same on same.workspace_id = known.workspace_id
        where known.name = :workspace_name
    ) || array[cast(:workspace_name as text)]))
    and (not :failed_only or applied_at is null or error is not null)
    and (
        cast(:event_type as text) is null
        or exists (select from webhook_delivery_log log where log.inbox_id = inbox.id and log.event_type = :event_type)
    )
order by id
limit :limit;

-- name: count_leads
-- Leads of somebody, by address, in whatever workspace.
select count(*)::integer as leads from client_leads where normalise_address(lead_email) = any (:addresses::text[]);

-- name: erase_leads
-- The lead goes; that an e-mail was sent and answered stays counted, without saying by whom.
with gone as (
    delete from client_leads
    where normalise_address(lead_email) = any (:addresses::text[])
    returning workspace_name, lead_id
),
unnamed as (
    update webhook_delivery_log log
    set lead_id = null
    from gone
    where log.workspace_name = workspace_key(gone.workspace_name) and log.lead_id = gone.lead_id
)
select count(*)::integer as leads from gone;

-- name: leads_of
-- What outreach knows of the leads with an address, newest first.
select workspace_name, lead_id, lead_status, interested_at, replied_at, bounced_at, unsubscribed_at, campaign_name
from client_leads
where normalise_address(lead_email) = any (:addresses::text[])
order by updated_at desc
limit :limit;

-- name: replies_of
-- When somebody wrote to a workspace; an operator who wants to read it looks into EmailBison.
select workspace.name as workspace_name, item.received_at, item.is_auto_reply
from inbox_items item
left join workspaces workspace on workspace.id = item.workspace_id
where item.source = 'bison' and normalise_address(item.from_address) = any (:addresses::text[])
order by item.received_at desc nulls last
limit :limit;
