-- name: is_stopped
-- Whether the database answers at all, and whether an operator stopped sending.
select exists (select from sending_stops where resumed_at is null) as is_stopped;

-- name: outstanding
-- What is open and what waits for a person; more than a thousand of each are not counted further.
select
    (
        select count(*) from (
            select from incidents where closed_at is null and told_closed_at is null and (snoozed_until is null or snoozed_until <= :now) limit 1001
        ) open
    )::integer as incidents,
    (
        select count(*) from (
            select from incidents where closed_at is null and told_closed_at is null and snoozed_until > :now limit 1001
        ) quiet
    )::integer as snoozed,
    (select count(*) from (select from failed_tasks where replayed_at is null limit 1001) open)::integer as failed_tasks,
    (
        select count(*) from (
            select from webhook_inbox where applied_at is null and received_at < cast(:now as timestamptz) - interval '1 minute' limit 1001
        ) open
    )::integer as deliveries,
    (
        select count(*) from (
            (select from email_sends where status = 'unknown' limit 1001)
            union all
            (select from sms_sends where status = 'unknown' limit 1001)
            limit 1001
        ) parked
    )::integer as unknown_messages,
    (select count(*) from (select from workflow_approvals where status = 'pending' limit 1001) asked)::integer as approvals;

-- name: latest_resyncs
-- The latest of each entity, running or not, with how far it is.
select
    entity, phase, coalesce(total, 0) as total, written, swept, next_bucket, ordered_by, started_at, updated_at, finished_at, error
from (
    select resync.*, row_number() over (partition by entity order by id desc) as place from edge_resyncs resync
) latest
where place = 1
order by entity;

-- name: entity_sizes
-- Counted where a sync has counted, else what the planner believes: a count over a million rows takes longer than all else.
select
    entity.entity,
    case when entity.counted_at is not null then entity.known_rows else nullif(relation.reltuples, -1)::bigint end as rows,
    entity.counted_at is null as is_estimate,
    entity.blocked_at
from edge_entities entity
left join pg_class relation on relation.oid = to_regclass('public.' || quote_ident(entity.entity))
order by entity.entity;

-- name: mautic_state
-- The latest run of the Mautic sync, and what waits for the next one; more than a thousand are not counted further.
select
    run.run_started_at as last_started_at, run.run_finished_at as last_finished_at,
    coalesce(run.contacts_synced, 0) as last_synced, coalesce(run.contacts_failed, 0) as last_failed,
    (
        select count(*) from (
            (select from mautic_dirty limit 1001)
            union all
            (select from mautic_dirty_bulk cross join lateral unnest(customer_ids) limit 1001)
        ) waiting
    )::integer as pending,
    (select count(*) from (select from mautic_sync_status where next_attempt_at is not null limit 1001) failing)::integer as to_repeat
from (select 1) one
left join lateral (select * from mautic_sync_logs order by run_started_at desc limit 1) run on true;

-- name: mautic_runs
-- The latest runs of the Mautic sync, newest first, without the reasons: those name customers.
select
    run_started_at as started_at, run_finished_at as finished_at, coalesce(contacts_synced, 0) as synced,
    coalesce(contacts_created, 0) as created, coalesce(contacts_updated, 0) as updated,
    coalesce(contacts_failed, 0) as failed, coalesce(segments_synced, 0) as segments
from mautic_sync_logs
order by run_started_at desc
limit :limit;

-- name: workspaces
-- One row a workspace: is its webhook well, what was counted this month in its own zone, how are its sender accounts.
select
    workspace.name, workspace.timezone, health.last_webhook_at, coalesce(health.webhook_count_24h, 0) as deliveries_24h,
    health.success_rate_24h::float8 as success_rate_24h, coalesce(health.is_healthy, false) as is_healthy,
    coalesce(health.is_silent, false) as is_silent, health.workspace_name is not null as has_webhook,
    coalesce(rejection.in_a_row, 0) as rejected_in_a_row, metrics.month,
    coalesce(metrics.emails_sent_mtd, 0) as emails_sent, coalesce(metrics.replies_mtd, 0) as replies,
    coalesce(metrics.positive_replies_mtd, 0) as interested, coalesce(metrics.bounced_mtd, 0) as bounced,
    coalesce(metrics.unsubscribed_mtd, 0) as unsubscribed,
    coalesce(senders.total_accounts, 0) as accounts, coalesce(senders.connected_accounts, 0) as connected_accounts
from workspaces workspace
left join webhook_health health on health.workspace_name = workspace.name
left join webhook_rejections rejection on rejection.source = 'bison' and rejection.claimed = workspace.name
left join client_metrics metrics
    on metrics.workspace_name = workspace.name
    and metrics.month = date_trunc('month', cast(:now as timestamptz) at time zone usable_zone(workspace.timezone))::date
left join get_account_status_stats() senders on senders.workspace_name = workspace.name
order by workspace.name
limit :limit;

-- name: provider_days
-- What each mail provider sent and got back, day by day over all workspaces; the accounts are those of the day's snapshot.
select
    history.snapshot_date as day, history.email_provider as provider, sum(history.sent_since)::bigint as sent,
    sum(history.replies_since)::bigint as replies, sum(history.total_accounts)::integer as accounts,
    sum(history.connected_accounts)::integer as connected_accounts
from provider_performance_history history
where history.snapshot_date > cast(:since as date)
group by 1, 2
order by 1, 2;

-- name: incidents
-- What is wrong now, and what was lately; the open ones first.
select
    id, kind, subject, workspace_name, title, opened_at, closed_at, told_open_at is not null as is_told, snoozed_until, snoozed_by,
    (
        select closure.closed_by
        from incident_closures closure
        where closure.incident_id = latest.id and closure.closed_at = latest.closed_at
        order by closure.id desc
        limit 1
    ) as closed_by
from (
    (select * from incidents where closed_at is null order by id desc limit :limit)
    union all
    (select * from incidents where closed_at is not null order by id desc limit :limit)
) latest
order by closed_at is not null, id desc
limit :limit;

-- name: failed_tasks
-- Messages that were given up and wait for a person, without their content.
select id, source, failed_at, error, replayed_at
from failed_tasks
where replayed_at is null
order by id desc
limit :limit;

-- name: waiting_deliveries
-- Deliveries without effect and messages that were given up; more than a thousand are not counted further.
select
    (select count(*) from (select from webhook_inbox where applied_at is null limit 1001) open)::integer as deliveries,
    (select count(*) from (select from failed_tasks where replayed_at is null limit 1001) open)::integer as failed_tasks;

-- name: fix_versions
-- One automatic change with what was there before and after: personal data, so it is asked for by itself.
select
    id, check_name, entity, row_id, action, before::text as before, after::text as after, fixed_at, fixed_by, reverted_at, reverted_by
from integrity_fixes
where id = :id;
