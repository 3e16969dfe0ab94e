-- name: workspaces
-- Their numbers, as EmailBison told them.
select name, bison_workspace_id as number from workspaces where bison_workspace_id is not null order by name;

-- name: counted
-- What was counted of each workspace, over all its months.
select
    workspace_name as name,
    sum(emails_sent_mtd)::integer as sent,
    sum(replies_mtd)::integer as replies,
    sum(positive_replies_mtd)::integer as interested,
    sum(bounced_mtd)::integer as bounced,
    sum(unsubscribed_mtd)::integer as unsubscribed
from client_metrics
group by workspace_name;

-- name: fresh_accounts
-- Accounts that a poll has read in the last five minutes.
select count(*) as n from sender_emails_cache where removed_at is null and last_synced_at > now() - interval '5 minutes';

-- name: connected_accounts
-- Accounts that can send, as far as is known here.
select count(*) as n from sender_emails_cache where removed_at is null and status = 'Connected';

-- name: leads
-- Interested leads, and how many of them have another status by now.
select count(*) as n from client_leads;

-- name: replies
-- What the workspaces' inboxes hold.
select count(*) as n from inbox_items where source = 'bison';

-- name: opt_outs
-- What the ledger knows from EmailBison.
select count(*) as n from consent_events where source = 'bison';

-- name: milliseconds
-- How long the applied delivery in the middle took.
select coalesce(percentile_disc(0.5) within group (order by processing_time_ms), 0) as n
from webhook_delivery_log
where is_first and origin = 'webhook';

-- name: unhealthy
-- Workspaces whose webhooks are not well.
select count(*) as n from webhook_health where not is_healthy or is_silent;

-- name: provider_rows
-- The day's figures, one row a workspace and provider.
select count(*) as n from provider_performance_history;

-- name: open_incidents
-- What is wrong at this moment.
select count(*) as n from incidents where closed_at is null and kind = :kind;
