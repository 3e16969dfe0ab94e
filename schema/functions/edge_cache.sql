-- Functions of edge_cache. Written by `make schema`: change it by a migration.


create function draw_edge_version()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    told text := coalesce(current_setting('app.edge_sync', true), '');
begin
    new.sync_version := nextval('edge_versions');
    -- The last write wins, so a write has to say when it was: also one of an application that forgets to.
    if tg_op = 'UPDATE' and told = '' and new.updated_at is not distinct from old.updated_at then
        new.updated_at := clock_timestamp();
    end if;
    if tg_table_name = 'emails' and told <> 'on' then
        new.edge_base := null;
    end if;
    return new;
end
$$;
revoke execute on function draw_edge_version() from crm_relay, service_role;


create function edge_bucket(id uuid)
    returns integer
    language sql
    immutable parallel safe
as $$ select ('x' || left(md5(id::text), 3))::bit(12)::integer $$;
grant execute on function edge_bucket(uuid) to authenticated;


create function edge_hash(id uuid, version bigint, doc text)
    returns bigint
    language sql
    immutable parallel safe
as $$ select ('x' || left(md5(id::text || '|' || version || '|' || doc), 15))::bit(60)::bigint $$;


create function edge_time(at timestamptz)
    returns text
    language sql
    immutable parallel safe
as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
grant execute on function edge_time(timestamptz) to authenticated;


create function edge_touch(entity text, ids uuid[])
    returns table(id uuid, version bigint)
    language plpgsql
as $$
begin
    if entity not in ('prospects', 'campaigns', 'mailboxes', 'emails') then
        raise exception 'not replicated: %', entity using errcode = '22023';
    end if;
    -- Any word but "on": the change is noted, and updated_at is left alone.
    perform set_config('app.edge_sync', 'quiet', true);
    return query execute format(
        'update %I known set id = known.id where known.id = any ($1) returning known.id, known.sync_version', entity
    ) using ids;
    perform set_config('app.edge_sync', '', true);
end
$$;


create function email_organization(prospect uuid, campaign uuid, direction text, sender text, receiver text)
    returns uuid
    language sql
    stable
as $$
    select coalesce(
        (select org_id from prospects where id = prospect),
        (select org_id from campaigns where id = campaign),
        (
            -- Of the mailbox that it left from or came to, if that is one organization's.
            select case when count(distinct mailbox.org_id) = 1 then (array_agg(mailbox.org_id))[1] end
            from mailboxes mailbox
            where normalise_address(mailbox.email) = normalise_address(case when direction = 'inbound' then receiver else sender end)
                and mailbox.org_id is not null
        ),
        (select case when count(*) = 1 then (array_agg(id))[1] end from (select id from organizations limit 2) few)
    )
$$;


create function note_edge_change()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    noted constant text := 'insert into edge_changes (entity, id, version, is_deleted) select %L, id, ';
begin
    -- What comes from the edge is there already: its own write is not sent back to it.
    if current_setting('app.edge_sync', true) = 'on' then
        return null;
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        execute format(noted || 'sync_version, false from changed', tg_table_name);
    end if;
    if tg_op = 'UPDATE' then
        -- A row that got another id is gone under its former one.
        execute format(
            noted || 'nextval(''edge_versions''), true from former where not exists (select from changed where changed.id = former.id)',
            tg_table_name
        );
    elsif tg_op = 'DELETE' then
        execute format(noted || 'nextval(''edge_versions''), true from gone', tg_table_name);
        if tg_table_name = 'emails' then
            insert into edge_deleted_emails (id) select id from gone on conflict do nothing;
        end if;
    elsif tg_op = 'TRUNCATE' then
        execute format(noted || 'nextval(''edge_versions''), true from %1$I', tg_table_name);
        if tg_table_name = 'emails' then
            insert into edge_deleted_emails (id) select id from emails on conflict do nothing;
        end if;
    end if;
    return null;
end
$$;
revoke execute on function note_edge_change() from crm_relay, service_role;
