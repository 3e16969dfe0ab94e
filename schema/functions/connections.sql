-- Functions of connections. Written by `make schema`: change it by a migration.


create function integration_status(workspace uuid, integration text default null::text)
    returns table(connection_id uuid, integration_type text, label text, status text, is_enabled boolean, held_for text,
        last_sync_at timestamptz, next_sync_at timestamptz, error_count integer, error_message text)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    select
        connection.id, connection.integration_type, connection.label, connection.status,
        connection.sync_enabled and connection.status = 'active' and connection.held_for is null, connection.held_for,
        connection.last_sync_at, connection.next_sync_at, connection.error_count, connection.error_message
    from integration_connections connection
    where connection.workspace_id = workspace and (integration is null or connection.integration_type = integration)
    order by connection.integration_type, connection.label nulls first, connection.id
$$;
comment on function integration_status(uuid,text) is 'Status of a workspace''s connections, for the callers that may see them.';
grant execute on function integration_status(uuid,text) to authenticated;


create function is_integration_enabled(workspace uuid, integration text)
    returns boolean
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    select exists (select from integration_status(workspace, integration) where is_enabled)
$$;
comment on function is_integration_enabled(uuid,text) is 'Whether a workspace has a connection of this kind that syncs.';
grant execute on function is_integration_enabled(uuid,text) to authenticated;


create function note_pitch_left()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    if tg_op = 'DELETE' or new.left_at is null or normalise_address(new.address) is null then delete from mail_elsewhere where id = old.id;
        return null;
    end if;
    insert into mail_elsewhere (id, org_id, address, purpose, left_at, leaving_until)
    select
        new.id, place.org_id, normalise_address(new.address), 'pitch', new.left_at,
        case when new.status = 'sending' and new.lease is not null then new.claimed_until end
    from workspaces place
    where place.id = new.workspace_id and place.org_id is not null
    on conflict (id) do update
    set
        org_id = excluded.org_id, address = excluded.address, left_at = excluded.left_at, leaving_until = excluded.leaving_until;
    return null;
end
$$;
revoke execute on function note_pitch_left() from crm_relay, service_role;
