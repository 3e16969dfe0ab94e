-- name: server
-- Who we are there, and what time it is.
select
    current_setting('server_version') as version,
    current_user as role,
    (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
    clock_timestamp() as now;

-- name: tables_without_row_security
-- Tables that PostgREST would show to everybody who may read them.
select relname as name
from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity
order by relname;

-- name: waiting
-- What an operator should not find here.
select
    (select count(*) from webhook_inbox where applied_at is null) as unapplied,
    (select count(*) from failed_tasks where replayed_at is null) as failed,
    (select count(*) from mautic_sync_status where sync_error is not null) as errors,
    (
        select count(distinct customer_id)
        from (select customer_id from mautic_dirty union all select unnest(customer_ids) from mautic_dirty_bulk) note
    ) as dirty,
    (select max(run_finished_at) from mautic_sync_logs) as last_run;

-- name: organizations
-- What an e-mail needs of its organization; those that lack something first.
select
    organization.name, coalesce(trim(organization.postal_address), '') <> '' as has_address,
    exists (select from email_identities sender where sender.org_id = organization.id and sender.is_default) as has_sender
from organizations organization
order by coalesce(trim(organization.postal_address), '') <> '', organization.name, organization.id
limit 20;
