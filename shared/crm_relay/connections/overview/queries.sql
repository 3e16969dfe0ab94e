-- name: list_connections
-- Each connection with what it has synced, what was refused, and until when its grant lasts; no secret is read.
select
    connection.id, connection.workspace_id, workspace.name as workspace, connection.integration_type as integration,
    connection.label, connection.account_label as account, coalesce(connection.status, 'active') as status,
    coalesce(connection.sync_enabled, true) as enabled, connection.held_for, connection.held_details,
    connection.confirmed_at is not null as confirmed, connection.last_sync_at, connection.next_sync_at,
    connection.sync_frequency_minutes, coalesce(connection.error_count, 0) as error_count, connection.error_message,
    coalesce(records.linked, 0) as records, coalesce(rejects.waiting, 0) as rejects,
    coalesce(streams.stopped, 0) as stopped_streams, coalesce(streams.are_equal, true) as is_equal,
    streams.compared_at, secret.expires_at, secret.refresh_expires_at,
    coalesce(secret.refused_generation = secret.generation, false) as needs_reconnect,
    case
        when secret.connection_id is null then null
        when secret.has_refresh_token or secret.expires_at is not null then 'oauth'
        else 'key'
    end as access,
    cast(connection.settings ->> 'monthly_requests' as integer) as monthly_requests,
    (
        select max(case when lim.month = date_trunc('month', clock_timestamp() at time zone 'UTC')::date then lim.used else 0 end)
        from integration_limits lim
        where lim.scope like '%:' || connection.id::text
    ) as requests_this_month
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id
left join integration_secrets secret on secret.connection_id = connection.id
left join lateral (
    select count(*) as linked
    from integration_records record
    where record.connection_id = connection.id and record.state is null
) records on true
left join lateral (
    select count(*) as waiting from integration_rejects reject where reject.connection_id = connection.id
) rejects on true
left join lateral (
    select
        count(*) filter (where point.stopped_reason is not null) as stopped,
        bool_and(coalesce((point.compared ->> 'is_equal')::boolean, true)) as are_equal,
        max(point.completed_at) as compared_at
    from integration_checkpoints point
    where point.connection_id = connection.id
) streams on true
where (cast(:connection as uuid) is null or connection.id = :connection)
    and (cast(:workspace as uuid) is null or connection.workspace_id = :workspace)
order by workspace.name, connection.integration_type, connection.label nulls first, connection.id
limit :limit;

-- name: list_rejects
-- Records of a connection that one side refused, the longest waiting first.
select stream, direction, record_id, reason, attempts, first_at, last_at, retry_at
from integration_rejects
where connection_id = :connection
order by first_at, record_id
limit :limit;

-- name: list_syncs
-- The newest syncs of a connection, whatever wrote their lines: blanks count as nothing, and each error is a text.
select
    started_at, direction, success, coalesce(records_created, 0) as records_created,
    coalesce(records_updated, 0) as records_updated, coalesce(records_failed, 0) as records_failed,
    array(
        select error.said #>> '{}'
        from jsonb_array_elements(
            case
                when errors is null then '[]'
                when jsonb_typeof(errors) = 'array' then errors
                else jsonb_build_array(errors)
            end
        ) as error (said)
        where error.said <> 'null'
    ) as errors,
    duration_ms, metadata
from integration_sync_logs
where connection_id = :connection
order by started_at desc nulls last
limit :limit;

-- name: workspace_called
-- A workspace by its name or its id.
select id from workspaces where name = :called or id::text = :called;
