-- Functions of workflows. Written by `make schema`: change it by a migration.


create function changes_to_hear()
    returns table(heard_table regclass, entity text, columns text[], differs text)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
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
        join pg_class on pg_class.oid = made.tgrelid and pg_class.relkind in ('r', 'p') and not pg_class.relispartition
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
comment on function changes_to_hear() is 'The CRM''s tables whose update triggers are other ones than published workflows ask for; none where all is heard.';


create function event_cause(record uuid, out depth integer, out cause uuid)
    returns record
    language plpgsql
    stable
    set search_path to 'public', 'pg_temp'
as $$
declare
    setting text := current_setting('app.workflow_causes', true);
    causes jsonb;
    own jsonb;
begin
    depth := 0;
    -- A savepoint costs more than all the rest, and is needed only where there is something to read.
    if setting <> '' then
        begin
            causes := setting::jsonb;
            own := causes -> record::text;
            if jsonb_typeof(own) = 'array' then
                cause := uuid_or_null(own ->> 0);
                depth := greatest(coalesce((own ->> 1)::integer, 0), 0);
            else
                depth := greatest(coalesce((causes ->> '*')::integer, 0), 0);
            end if;
        exception
            when others then
                depth := 0;
                cause := null;
        end;
    end if;
end
$$;
revoke execute on function event_cause(uuid) from crm_relay, service_role;


create function listen_to_changes()
    returns table(relation text, sqlstate_of_failure text)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set lock_timeout to '200ms'
as $$
declare
    each record;
    ended bigint;
begin
    -- One at a time: two that publish at once would replace each other's triggers.
    perform set_config('lock_timeout', '5s', true);
    perform pg_advisory_xact_lock(52, 3);
    perform set_config('lock_timeout', '200ms', true);
    with gone as (delete from workflow_listeners listener using workflows workflow
        where listener.is_watched and workflow.id = listener.workflow_id and workflow.deleted_at is not null
        returning 1
    )
    select count(*) into ended from gone;
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
    for each in
        select part.oid::regclass as heard_table, made.tgargs
        from pg_trigger made
        join pg_class on pg_class.oid = made.tgrelid and pg_class.relkind = 'p' and not pg_class.relispartition
        cross join lateral pg_partition_tree(made.tgrelid) tree
        join pg_class part on part.oid = tree.relid and part.relispartition and part.relkind in ('r', 'p')
        where made.tgname = 'workflow_created' and made.tgfoid = 'note_created'::regproc
            and not exists (select from pg_trigger own where own.tgrelid = part.oid and own.tgname = 'workflow_created')
        order by part.oid
    loop
        relation := each.heard_table::text;
        sqlstate_of_failure := null;
        begin
            execute format(
                'create trigger workflow_created after insert on %s referencing new table as after_rows for each statement execute function note_created(%s)',
                relation,
                (
                    select string_agg(quote_literal(argument), ', ' order by place)
                    from unnest(
                        string_to_array(trim(trailing e'\\' from replace(encode(each.tgargs, 'escape'), '\000', e'\\')), e'\\')
                    ) with ordinality as listed (argument, place)
                )
            );
        exception
            when others then
                sqlstate_of_failure := sqlstate;
        end;
        return next;
    end loop;
    with gone as (delete from workflow_recordings recording where not exists (
            select
            from topics_heard() heard
            where (heard.org_id, heard.entity_type, heard.topic) = (recording.org_id, recording.entity_type, recording.topic)
        )
        returning 1
    )
    select count(*) into ended from gone;
    insert into workflow_recordings (org_id, entity_type, topic, since)
    select heard.org_id, heard.entity_type, heard.topic, clock_timestamp()
    from topics_heard() heard
    on conflict do nothing;
    return query
    select distinct made.tgrelid::regclass || '.' || listener.topic, '42703'
    from pg_trigger made
    join pg_class on pg_class.oid = made.tgrelid and not pg_class.relispartition
    join workflow_listeners listener on listener.entity_type = split_part(encode(made.tgargs, 'escape'), '\000', 1)
    where made.tgname = 'workflow_created' and made.tgfoid = 'note_created'::regproc
        and listener.topic <> '+' and listener.topic not like 'event:%' and not exists (
            select from pg_attribute where attrelid = made.tgrelid and attname = listener.topic and attnum > 0 and not attisdropped
        );
end
$$;
comment on function listen_to_changes() is 'Makes the update triggers of the CRM''s tables exactly those that published workflows listen to; safe to call at any time.';


create function note_change(entity text, before jsonb, after jsonb)
    returns void
    language plpgsql
as $$
declare
    org uuid := uuid_or_null(after ->> 'org_id');
    record uuid := uuid_or_null(after ->> 'id');
    depth integer := 0;
    cause uuid;
    actor uuid;
begin
    -- Where nobody is named, asking would take a savepoint.
    if current_setting('app.user_id', true) <> '' or current_setting('request.jwt.claims', true) <> '' then
        actor := current_user_id();
    end if;
    if current_setting('app.workflow_causes', true) <> '' then
        select caused.depth, caused.cause into depth, cause from event_cause(record) caused;
    end if;
    insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, actor, origin, depth, cause)
    select
        org, entity, record, 'changed', min(topic), jsonb_object_agg(topic, jsonb_build_array(before -> topic, after -> topic)),
        actor, left(nullif(current_setting('app.origin', true), ''), 50), depth, cause
    from workflow_listeners
    where org_id = org and entity_type = entity and before -> topic is distinct from after -> topic and record is not null
    having count(*) > 0;
end
$$;
revoke execute on function note_change(text,jsonb,jsonb) from crm_relay, service_role;


create function note_changed()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    waits text;
begin
    case current_setting('crm_relay.changes_are_noted', true)
        when 'yes' then
            perform note_change(tg_argv[0], to_jsonb(old), to_jsonb(new));
        when 'no' then
            return null;
        else
            begin
                waits := current_setting('lock_timeout');
                perform set_config('lock_timeout', '1s', true);
                perform note_change(tg_argv[0], to_jsonb(old), to_jsonb(new));
                perform set_config('lock_timeout', waits, true);
                perform set_config('crm_relay.changes_are_noted', 'yes', true);
            exception
                when others then
                    perform set_config('crm_relay.changes_are_noted', 'no', true);
                    perform report_event_failure(tg_table_name, sqlstate);
            end;
    end case;
    return null;
end
$$;
revoke execute on function note_changed() from crm_relay, service_role;


create function note_consent_event()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    waits text := current_setting('lock_timeout');
begin
    begin
        perform set_config('lock_timeout', '1s', true);
        if exists (
            select
            from workflow_listeners
            where entity_type = 'contact' and topic in ('event:bounced', 'event:unsubscribed')
        ) then
            with said as materialized (
                select id, org_id, channel, address, kind, case kind when 'hard_bounce' then 'bounced' else 'unsubscribed' end as name
                from after_rows
                where kind in ('hard_bounce', 'complaint', 'opt_out')
            ),
            heard as materialized (
                select said.*
                from said
                where exists (
                    select
                    from workflow_listeners listener
                    where listener.org_id = said.org_id and listener.entity_type = 'contact'
                        and listener.topic = 'event:' || said.name
                )
            ),
            person as (
                select heard.*, contact.id as contact_id
                from heard
                join contacts contact on contact.org_id = heard.org_id and normalise_address(contact.email) = heard.address
                where heard.channel = 'email'
                union all
                select heard.*, contact.id
                from heard
                join contacts contact on contact.org_id = heard.org_id and normalise_phone(contact.phone) = heard.address
                where heard.channel = 'sms'
            )
            insert into entity_events (org_id, entity_type, entity_id, kind, topic, payload, actor, origin, depth, event_key)
            select
                org_id, 'contact', contact_id, 'event', 'event:' || name,
                jsonb_build_object('consent_event_id', id, 'channel', channel, 'kind', kind), current_user_id(),
                left(nullif(current_setting('app.origin', true), ''), 50), 0, format('%s:%s:%s', name, id, contact_id)
            from person
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
revoke execute on function note_consent_event() from crm_relay, service_role;


create function note_created()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    waits text := current_setting('lock_timeout');
    actor uuid := current_user_id();
    origin text := left(nullif(current_setting('app.origin', true), ''), 50);
    has_causes boolean := coalesce(current_setting('app.workflow_causes', true), '') <> '';
begin
    begin
        perform set_config('lock_timeout', '1s', true);
        if exists (select from workflow_listeners where entity_type = tg_argv[0]) then
            insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, actor, origin, depth, cause)
            select
                row.org_id, tg_argv[0], row.id, 'created', '+', coalesce(given.changed, '{}'), actor, origin,
                coalesce(caused.depth, 0), caused.cause
            from (
                select
                    org_id, bool_or(topic = '+') as is_new, array_agg(topic) as topics,
                    array_agg(topic) filter (where topic = any (tg_argv[1:])) as status
                from workflow_listeners
                where entity_type = tg_argv[0]
                group by org_id
            ) heard
            join (
                select uuid_or_null(fields ->> 'org_id') as org_id, uuid_or_null(fields ->> 'id') as id, fields
                from (select to_jsonb(after_rows) as fields from after_rows) each
            ) row on row.org_id = heard.org_id
            cross join lateral (
                select jsonb_object_agg(topic, jsonb_build_array(null, row.fields -> topic)) as changed
                from unnest(heard.topics) topic
                where row.fields -> topic <> 'null'
            ) given
            left join lateral event_cause(row.id) caused on has_causes
            where row.id is not null and (heard.is_new or given.changed ?| heard.status);
        end if;
        perform set_config('lock_timeout', waits, true);
    exception
        when others then
            perform report_event_failure(tg_table_name, sqlstate);
    end;
    return null;
end
$$;
revoke execute on function note_created() from crm_relay, service_role;


create function note_reply()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set lock_timeout to '1s'
as $$
declare
    item jsonb;
    org uuid;
begin
    if not exists (select from workflow_listeners where entity_type = 'contact' and topic = 'event:replied') then
        return null;
    end if;
    item := to_jsonb(new);
    if (item ->> 'is_auto_reply')::boolean or item ->> 'source' = 'resend' and item ->> 'headers_read_at' is null then
        return null;
    end if;
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
    return null;
exception
    when others then
        perform report_event_failure(tg_table_name, sqlstate);
        return null;
end
$$;
revoke execute on function note_reply() from crm_relay, service_role;


create function redact_mentions(relation text, needles text[], pattern text)
    returns bigint
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    changes text;
    changed bigint;
begin
    if relation <> all (array[
        'entity_events', 'workflow_actions', 'workflow_approvals', 'workflow_execution_logs', 'workflow_executions',
        'workflow_start_decisions', 'workflow_steps', 'workflow_versions', 'workflow_webhooks', 'workflows'
    ]) then
        raise exception 'not a table of workflows: %', relation using errcode = '22023';
    end if;
    select string_agg(
        case
            when attname in ('event_key', 'start_key') then format(
                '%1$I = case when lower(%1$I) ~ $2 then ''redacted:'' || id else %1$I end', attname
            )
            when atttypid = 'jsonb'::regtype then format(
                -- A number that stands by itself in JSON stays a number.
                '%1$I = case jsonb_typeof(%1$I) when ''number'' then ''0'' else regexp_replace(
                    regexp_replace(%1$I::text, ''(?<=[[ ])'' || $2 || ''(?=[],}])'', ''0'', ''gi''), $2, ''redacted'', ''gi''
                )::jsonb end',
                attname
            )
            else format(
                '%1$I = regexp_replace(%1$I, $2, ''redacted'', ''gi'')::%2$s', attname, format_type(atttypid, atttypmod)
            )
        end, ', '
    )
    into changes
    from pg_attribute
    where attrelid = relation::regclass and attnum > 0 and not attisdropped
        and atttypid in ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype);
    perform set_config('crm_relay.changes_are_noted', 'no', true);
    execute format(
        'update %I as known set %s where lower(known::text) like any ($1) and lower(known::text) ~ $2', relation, changes
    ) using needles, pattern;
    get diagnostics changed = row_count;
    return changed;
end
$$;
comment on function redact_mentions(text,text[],text) is 'Replaces every mention of somebody in one table of workflows; for an erasure.';


create function report_event_failure(relation text, state text)
    returns void
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set lock_timeout to '200ms'
as $$
begin
    if pg_try_advisory_xact_lock(52, hashtext('workflow_events ' || relation)) and not exists (
        select from incidents where kind = 'workflow_events' and subject = relation and closed_at is null and told_closed_at is null
    ) then
        insert into incidents (kind, subject, title, details, opened_at)
        values (
            'workflow_events', relation, 'Changes of ' || relation || ' do not reach workflows',
            jsonb_build_object('sqlstate', state), clock_timestamp()
        )
        on conflict do nothing;
    end if;
exception
    when others then
        return;
end
$$;
revoke execute on function report_event_failure(text,text) from crm_relay, service_role;


create function topics_heard()
    returns table(org_id uuid, entity_type text, topic text)
    language sql
    stable
    set search_path to 'public', 'pg_temp'
as $$
    select distinct listener.org_id, listener.entity_type, listener.topic
    from workflow_listeners listener
    where listener.topic = '+' or listener.topic like 'event:%' or exists (
        select
        from pg_trigger changed
        cross join lateral (
            select string_to_array(trim(trailing e'\\' from replace(encode(changed.tgargs, 'escape'), '\000', e'\\')), e'\\') as args
        ) named
        where changed.tgname = 'workflow_changed' and changed.tgparentid = 0 and named.args[1] = listener.entity_type
            and listener.topic = any (named.args[2:])
    )
$$;
comment on function topics_heard() is 'What organizations hear of now: topics of listeners whose triggers are there.';


create function write_workflow_fields(target text, changes jsonb, written_at timestamptz)
    returns setof uuid
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
declare
    part record;
    names text[];
begin
    names := array(
        select attname::text from pg_attribute where attrelid = target::regclass and attnum > 0 and not attisdropped
    );
    for part in
        select string_agg(distinct format('%1$I = new.%1$I', field), ', ') as assignments, ids.columns as columns
        from (
            select distinct array(select jsonb_object_keys(change -> 'fields') order by 1) as columns
            from jsonb_array_elements(changes) as change
        ) ids
        cross join lateral unnest(ids.columns) as field
        group by ids.columns
    loop
        return query execute format(
            'update %1$I as record set %2$s%3$s%4$s
            from jsonb_to_recordset($1) as given (id uuid, fields jsonb, by uuid)
            cross join lateral jsonb_populate_record(null::%1$I, given.fields) as new
            where record.id = given.id and array(select jsonb_object_keys(given.fields) order by 1) = $2
            returning record.id',
            target, part.assignments,
            case when 'updated_by' = any (names) then ', updated_by = coalesce(given.by, record.updated_by)' end,
            case when 'updated_at' = any (names) then ', updated_at = $3' end
        ) using changes, part.columns, written_at;
    end loop;
end
$$;
