-- name: workspaces
-- Three workspaces of EmailBison.
insert into workspaces (org_id, name, timezone, bison_workspace_id)
select default_org_id(), name, 'UTC', 17 + place
from unnest(array['Northwind', 'Contoso', 'Fabrikam']) with ordinality as named (name, place)
where cast(:now as timestamptz) is not null;

-- name: counters
-- The current month of each.
insert into client_metrics
    (workspace_name, month, emails_sent_mtd, replies_mtd, positive_replies_mtd, bounced_mtd, unsubscribed_mtd)
select name, date_trunc('month', cast(:now as timestamptz) at time zone 'UTC')::date, sent, replies, good, bounced, gone
from (
    values ('Northwind', 3120, 204, 61, 35, 9), ('Contoso', 1890, 77, 18, 88, 14), ('Fabrikam', 640, 31, 12, 4, 1)
) as counted (name, sent, replies, good, bounced, gone);

-- name: deliveries
-- Northwind's are well, one in six of Contoso's fails, Fabrikam is silent.
insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
select name, at, 12, 12 - failing * (n % 5), at
from (values ('Northwind', 0), ('Contoso', 1)) as named (name, failing)
cross join generate_series(0, 40) as n
cross join lateral (select cast(:now as timestamptz) - interval '4 minutes' - n * interval '30 minutes' as at) as slot;

-- name: senders
-- One in nine is not connected.
insert into sender_emails_cache (workspace_name, email_address, status, email_provider, sender_email_id)
select
    name, 'sender' || n || '@' || lower(name) || '.example', case when n % 9 = 0 then 'Not connected' else 'Connected' end,
    'Gmail', place * 1000 + n
from unnest(array['Northwind', 'Contoso', 'Fabrikam']) with ordinality as named (name, place)
cross join lateral generate_series(1, (37 - 7 * place)::integer) as n
where cast(:now as timestamptz) is not null;

-- name: providers
-- Thirty days with quiet weekends.
insert into provider_performance_history
    (snapshot_date, workspace_name, email_provider, total_accounts, connected_accounts, sent_since, replies_since)
select
    date, 'Northwind', provider, accounts, accounts - (day % 4 = 0)::integer, sent,
    round(sent * (rate + sin(day / 3.0 + accounts)) / 100)
from (values ('Gmail', 420, 5.9, 34), ('Outlook', 310, 4.1, 22), ('Yahoo', 190, 2.4, 8), ('Other', 140, 3.3, 5))
    as known (provider, usual, rate, accounts)
cross join generate_series(0, 29) as day
cross join lateral (select cast(:now as timestamptz)::date - day as date) as dated
cross join lateral (
    select round(usual * (1 + 0.25 * sin(day / 2.0)) * case when extract(isodow from date) > 5 then 0.2 else 1 end) as sent
) as volume;

-- name: runs
-- Sixty runs of the edge sync; one failed, one was cut off.
insert into sync_log (
    direction, started_at, finished_at, read_count, written_count, deleted_count, parked_count, conflict_count, pending_count,
    status, error, ordered_by
)
select
    case when n % 3 = 0 then 'to_cache' else 'to_postgres' end, at, at + interval '2 seconds', n * 3 % 50, n * n % 47,
    (n % 11 = 0)::integer, (n % 13 = 0)::integer, (n % 17 = 0)::integer, n % 5,
    case n when 31 then 'failed' when 22 then 'stopped' else 'success' end,
    case n when 31 then 'the database connection was lost' when 22 then 'the time was up; the next run goes on' end,
    case n when 57 then 'night-robot' else 'schedule' end
from generate_series(1, 60) as n
cross join lateral (
    select cast(:now as timestamptz) - interval '90 seconds' - (60 - n) * interval '200 seconds' as at
) as begun;

-- name: mautic_runs
-- A quarter of a day of them.
insert into mautic_sync_logs
    (run_started_at, run_finished_at, contacts_synced, contacts_created, contacts_updated, contacts_failed, segments_synced)
select at, at + interval '41 seconds', 40 + n * 7 % 90, n % 7, 40 + n * 7 % 90 - n % 7, (n = 9)::integer * 2, 4
from generate_series(1, 24) as n
cross join lateral (
    select cast(:now as timestamptz) - interval '6 minutes' - (24 - n) * interval '15 minutes' as at
) as begun;

-- name: conflicts
-- One that each side won.
insert into edge_conflicts
    (entity, row_id, postgres_doc, edge_doc, postgres_at, edge_at, edge_edits, differing, winner, rule, decided_at)
select
    'prospects', gen_random_uuid(), '{"name": "Adventure Works", "stage": "new", "tier": "B"}',
    '{"name": "Adventure Works", "stage": "contacted", "tier": "A"}', :now, :now, 1, array['stage', 'tier'], winner, rule,
    cast(:now as timestamptz) - hours * interval '1 hour'
from (values ('edge', 'the edge wrote last', 6), ('postgres', 'PostgreSQL wrote last, or at the same time', 3))
    as decided (winner, rule, hours);

-- name: incidents
-- One that is open and one that is over.
insert into incidents
    (kind, subject, workspace_name, title, opened_at, closed_at, told_open_at, told_closed_at)
select kind, subject, workspace, title, at, over, at, over
from (
    values
        ('webhook_health', 'Contoso', 'Contoso', 'Webhook deliveries fail', 2, null),
        ('sender_account', 'sender account 1009', 'Northwind', 'sender account(s) disconnected', 9, 7)
) as given (kind, subject, workspace, title, began, ended)
cross join lateral (
    select
        cast(:now as timestamptz) - began * interval '1 hour' as at,
        cast(:now as timestamptz) - ended * interval '1 hour' as over
) as dated;

-- name: failed_tasks
-- Three messages that were given up.
insert into failed_tasks (source, task_key, payload, failed_at, error)
select
    'mautic', 'key' || n, encode(convert_to('{"source": "mautic"}', 'UTF8'), 'base64'),
    cast(:now as timestamptz) - n * interval '50 minutes', 'given up by the queue'
from generate_series(1, 3) as n;

-- name: integrity
-- A nightly run that mended most of what it found.
with run as (
    insert into integrity_runs (is_full, is_fix, started_at, finished_at, status, counts, items_read)
    values (
        true, true, cast(:now as timestamptz) - interval '40 minutes', cast(:now as timestamptz) - interval '39 minutes', 'success',
        '{"drift": {"found": 2, "fixable": 2, "fixed": 2, "asks": false},
          "orphaned_email": {"found": 3, "fixable": 1, "fixed": 1, "asks": false}}', 1200
    )
    returning id
),
finding as (
    insert into integrity_findings (run_id, check_name, entity, row_id, what, status, found_at, seen_at)
    select
        id, 'orphaned_email', 'emails', gen_random_uuid()::text, 'the prospect does not exist, and none has the address',
        case n when 1 then 'parked' else 'open' end, :now, :now
    from run
    cross join generate_series(1, 2) as n
    returning id, run_id
)
insert into integrity_fixes
    (run_id, finding_id, check_name, entity, row_id, action, before, after, fixed_at, fixed_by, applied_at)
select
    min(run_id), min(id), 'orphaned_email', 'emails', gen_random_uuid()::text, 'marked orphaned', '{"orphaned": false}',
    '{"orphaned": true}', cast(:now as timestamptz) - interval '39 minutes', 'schedule', :now
from finding;
