-- name: prospects
-- A million rows of one replicated table; nothing of them waits.
insert into prospects (name, contact_email, stage)
select 'Prospect ' || n, 'person' || n || '@example.com', 'new' from generate_series(1, cast(:rows as integer)) as n;

-- name: emails
-- As many e-mails.
insert into emails (prospect_id, subject, direction, status)
select null, 'Subject ' || n, 'outbound', 'sent' from generate_series(1, cast(:rows as integer)) as n;

-- name: runs
-- Two years of runs.
insert into sync_log (direction, started_at, finished_at, written_count, status)
select
    case n % 3 when 0 then 'to_cache' else 'to_postgres' end, now() - n * interval '200 seconds',
    now() - n * interval '200 seconds' + interval '2 seconds', n % 50, 'success'
from generate_series(1, 300000) as n
where cast(:rows as integer) > 0;

-- name: workspaces
-- A hundred workspaces with a hundred senders each and a month of snapshots.
with workspace as (
    insert into workspaces (org_id, name, bison_workspace_id)
    select default_org_id(), 'Workspace ' || n, n from generate_series(1, 100) as n
    where cast(:rows as integer) > 0
    returning name, bison_workspace_id as number
),
senders as (
    insert into sender_emails_cache (workspace_name, email_address, status, email_provider, sender_email_id)
    select name, 's' || n || '@' || number || '.example', 'Connected', 'Gmail', number * 1000 + n
    from workspace
    cross join generate_series(1, 100) as n
),
slots as (
    insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
    select name, now() - n * interval '5 minutes', 10, 10, now() - n * interval '5 minutes'
    from workspace
    cross join generate_series(0, 287) as n
)
insert into provider_performance_history
    (snapshot_date, workspace_name, email_provider, total_accounts, connected_accounts, sent_since, replies_since)
select current_date - day, name, provider, 50, 50, 500, 20
from workspace
cross join generate_series(0, 59) as day
cross join unnest(array['Gmail', 'Outlook', 'Other']) as provider;

-- name: waiting
-- What waits to be given up or applied: more than is counted.
insert into failed_tasks (source, task_key, payload, error)
select 'mautic', 'key' || n, 'e30=', 'given up by the queue' from generate_series(1, 5000) as n
where cast(:rows as integer) > 0;
