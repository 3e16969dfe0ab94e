-- name: contradicting_connections
-- Connections that are due and not tried, leases and refreshes that have died, old refusals, open passes, no credentials, and pitches.
with syncing as materialized (
    select
        connection.id, connection.status, connection.integration_type, connection.next_sync_at, connection.leased_until,
        connection.updated_at, connection.credentials, connection.held_for
    from integration_connections connection
    join workspaces workspace on workspace.id = connection.workspace_id and workspace.org_id is not null
    where connection.sync_enabled and connection.status in ('active', 'error')
        and connection.remove_requested_at is null and (connection.held_for is null or connection.held_for = 'billing')
),
wrong as (
    select 'integration_connections' as entity, id::text, 'active without a stored credential' as what, status as state, integration_type as other
    from syncing
    where status = 'active' and updated_at < :settled_before and coalesce(credentials, '{}'::jsonb) = '{}'::jsonb
        and not exists (select from integration_secrets secret where secret.connection_id = syncing.id)
    union all
    select 'integration_connections', id::text, 'its lease has died', status, integration_type
    from syncing
    where leased_until < :settled_before
    union all
    select 'integration_connections', id::text, 'due for more than an hour', status, integration_type
    from syncing
    where next_sync_at < :settled_before and leased_until is null
    union all
    select 'integration_secrets', syncing.id::text, 'the refresh of its token has died', syncing.status, syncing.integration_type
    from syncing
    join integration_secrets secret on secret.connection_id = syncing.id
    where secret.refresh_until < :settled_before and secret.refused_generation is distinct from secret.generation
    union all
    select
        'integration_rejects', syncing.id || ' ' || reject.stream || ' ' || reject.direction, 'records refused for more than a day',
        syncing.status, count(*)::text
    from syncing
    join integration_rejects reject on reject.connection_id = syncing.id
    -- Who opted out waits for no operator.
    where reject.first_at < :refused_before and syncing.held_for is null and reject.reason not like 'consent: %'
    group by syncing.id, syncing.status, reject.stream, reject.direction
    union all
    select
        'integration_checkpoints', syncing.id || ' ' || checkpoint.stream, 'a complete pass that never ended', syncing.status,
        checkpoint.pass_read::text
    from syncing
    join integration_checkpoints checkpoint on checkpoint.connection_id = syncing.id
    where checkpoint.pass_began_at < :begun_before and checkpoint.stopped_reason is null and syncing.held_for is null
    union all
    select 'pitches', id::text, 'nobody knows whether it left', status, reason
    from pitches
    where status = 'unknown' and updated_at < :settled_before
    union all
    select 'pitches', id::text, 'due for more than a day', status, held_for
    from pitches
    -- A claim changes the row too: one that each run fails at is as old as it was due.
    where status in ('queued', 'sending') and not_before < :refused_before
        and case when lease is null then updated_at else created_at end < :refused_before
),
-- One finding a row: a connection whose credential is gone is not reported as due as well.
first_of_each as (
    select distinct on (entity, id) entity, id, what, state, other
    from wrong
    order by entity, id, what
)
select first_of_each.*, count(*) over () as total
from first_of_each
order by entity, id
limit :limit;
