-- Columns of any type are compared without an error, what cannot be heard is said, and what has to be listened to is seen by a look.
set local lock_timeout = '5s';

-- The tables whose update triggers are other ones than `workflow_listeners` asks for, and what has to stand in them.
create or replace function changes_to_hear() returns table (
    heard_table regclass, entity text, columns text[], differs text
)
language sql stable set search_path = public, pg_temp
as $$
    with listened as (
        -- The tables with the trigger for new rows are those that may be listened to; its first argument is their entity.
        select
            made.tgrelid, split_part(encode(made.tgargs, 'escape'), '\000', 1) as entity,
            (
                select changed.tgargs
                from pg_trigger changed
                where changed.tgrelid = made.tgrelid and changed.tgname = 'workflow_changed'
            ) as present
        from pg_trigger made
        join pg_class on pg_class.oid = made.tgrelid and pg_class.relkind in ('r', 'p')
        where made.tgname = 'workflow_created' and made.tgfoid = 'note_created'::regproc
    ),
    heard as (
        select
            listened.tgrelid, listened.entity, listened.present,
            array_agg(attname::text order by attname collate "C") filter (where attname is not null) as columns,
            string_agg(
                case
                    when is_comparable then format('old.%1$I is distinct from new.%1$I', attname)
                    else format('old.%1$I::text is distinct from new.%1$I::text', attname)
                end,
                ' or ' order by attname collate "C"
            ) filter (where attname is not null) as differs
        from listened
        left join pg_attribute on attrelid = listened.tgrelid and attnum > 0 and not attisdropped and exists (
            select from workflow_listeners where entity_type = listened.entity and topic = attname
        )
        left join lateral (
            -- What has an order has an equality that never fails. An array or a row of json has one that fails when it is
            -- asked, in the middle of the update.
            select coalesce(inside.typtype, given.typtype) = 'e' or exists (
                select
                from pg_opclass
                join pg_am on pg_am.oid = opcmethod and amname = 'btree'
                where opcdefault and opcintype = case coalesce(inside.oid, given.oid)
                    when 'varchar'::regtype then 'text'::regtype
                    else coalesce(inside.oid, given.oid)
                end
            ) as is_comparable
            from pg_type given
            left join pg_type inside on inside.oid = case
                when given.typtype = 'd' then given.typbasetype
                when given.typcategory = 'A' then nullif(given.typelem, 0)
            end
            where given.oid = atttypid
        ) type on true
        group by listened.tgrelid, listened.entity, listened.present
    )
    select tgrelid::regclass, entity, columns, differs
    from heard
    where present is distinct from (
        select string_agg(convert_to(argument, 'UTF8') || '\x00'::bytea, '' order by place)
        from unnest(array[entity] || columns) with ordinality as given (argument, place)
        where columns is not null
    )
$$;

-- A table that is busy is skipped and listed with its SQLSTATE, null where it worked; a column that is listened to and that
-- the table does not have any more is listed as `table.column`, with the SQLSTATE of such a column.
create or replace function listen_to_changes() returns table (relation text, sqlstate_of_failure text)
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '200ms'
as $$
declare
    each record;
begin
    -- One at a time: two that publish at once would replace each other's triggers.
    perform set_config('lock_timeout', '5s', true);
    perform pg_advisory_xact_lock(52, 3);
    perform set_config('lock_timeout', '200ms', true);
    for each in select * from changes_to_hear() order by heard_table
    loop
        relation := each.heard_table::text;
        sqlstate_of_failure := null;
        begin
            if each.columns is null then
                execute format('drop trigger if exists workflow_changed on %s', relation);
            else
                execute format(
                    'create or replace trigger workflow_changed after update on %s for each row when (%s) execute function note_changed(%s)',
                    relation, each.differs,
                    (
                        select string_agg(quote_literal(argument), ', ' order by place)
                        from unnest(array[each.entity] || each.columns) with ordinality as listed (argument, place)
                    )
                );
            end if;
        exception
            when others then
                sqlstate_of_failure := sqlstate;
        end;
        return next;
    end loop;
    return query
    select distinct made.tgrelid::regclass || '.' || listener.topic, '42703'
    from pg_trigger made
    join workflow_listeners listener on listener.entity_type = split_part(encode(made.tgargs, 'escape'), '\000', 1)
    where made.tgname = 'workflow_created' and made.tgfoid = 'note_created'::regproc
        and listener.topic <> '+' and listener.topic not like 'event:%' and not exists (
            select from pg_attribute where attrelid = made.tgrelid and attname = listener.topic and attnum > 0 and not attisdropped
        );
end
$$;

-- What compares by an equality that may fail is made again; whatever cannot be made now is made by the next tick.
do $migration$
declare
    made record;
begin
    for made in select tgrelid::regclass as relation from pg_trigger where tgname = 'workflow_changed' loop
        execute format('drop trigger workflow_changed on %s', made.relation);
    end loop;
    perform listen_to_changes();
end
$migration$;

-- As before; it waits for nobody.
alter function report_event_failure(text, text) set lock_timeout = '200ms';

-- As before; whatever stands in a column of an inbox that an application made is no error of its writer.
create or replace function note_reply() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    item jsonb;
    waits text := current_setting('lock_timeout');
    org uuid;
begin
    begin
        item := to_jsonb(new);
        if (item ->> 'is_auto_reply')::boolean or item ->> 'source' = 'resend' and item ->> 'headers_read_at' is null then
            return null;
        end if;
        perform set_config('lock_timeout', '1s', true);
        org := uuid_or_null(item ->> 'org_id');
        if exists (
            select from workflow_listeners where org_id = org and entity_type = 'contact' and topic = 'event:replied'
        ) then
            insert into entity_events (org_id, entity_type, entity_id, kind, topic, payload, actor, origin, depth, event_key)
            select
                org, 'contact', person.id, 'event', 'event:replied',
                jsonb_build_object(
                    'inbox_item_id', item -> 'id', 'source', item -> 'source', 'received_at', item -> 'received_at',
                    'enrollment_id', item -> 'enrollment_id'
                ),
                current_user_id(), left(nullif(current_setting('app.origin', true), ''), 50), 0,
                format('replied:%s:%s', item ->> 'id', person.id)
            from (
                select id
                from contacts
                where org_id = org and normalise_address(email) = normalise_address(item ->> 'from_address')
                union
                select contact_id
                from campaign_enrollments
                where id = uuid_or_null(item ->> 'enrollment_id') and org_id = org
            ) person
            on conflict do nothing;
        end if;
        perform set_config('lock_timeout', waits, true);
    exception
        when others then
            perform report_event_failure(tg_table_name, sqlstate);
    end;
    return null;
end
$$;

revoke all on function changes_to_hear() from public, anon, authenticated;
grant execute on function changes_to_hear() to service_role, crm_relay;
comment on function changes_to_hear() is
    'The CRM''s tables whose update triggers are other ones than published workflows ask for; none where all is heard.';
