-- What happens to a record becomes an event, in the transaction that did it, whoever wrote it; only where somebody listens.
-- None of these triggers ever makes a change of the CRM fail: what they cannot do is an incident.
set local lock_timeout = '5s';

-- A start that failed is tried again later, and a few times only.
alter table entity_events add column if not exists attempts integer not null default 0;
alter table entity_events add column if not exists not_before timestamptz;

comment on column entity_events.not_before is 'When an event whose starts failed is looked at again; null: at once.';
comment on column entity_events.depth is
    'How many runs of workflows stand between it and a change that somebody made; `cause` is the last of them.';

-- What `app.workflow_causes` says about a record: {"*": depth, "<record id>": [execution id, depth]}. Not set: nobody's doing
-- but the writer's. What cannot be read says the same.
create or replace function event_cause(record uuid, out depth integer, out cause uuid)
language plpgsql stable set search_path = public, pg_temp
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

-- Says once that changes of a table are not noted, and never fails or waits.
create or replace function report_event_failure(relation text, state text) returns void
language plpgsql security definer set search_path = public, pg_temp
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

-- The new rows of a statement. `tg_argv`: the entity type, then the columns that are its status: a row that is born with one
-- that somebody listens to is a change of it from nothing.
create or replace function note_created() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    waits text := current_setting('lock_timeout');
begin
    begin
        perform set_config('lock_timeout', '1s', true);
        if exists (select from workflow_listeners where entity_type = tg_argv[0]) then
            insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, actor, origin, depth, cause)
            select
                row.org_id, tg_argv[0], row.id, 'created', '+', coalesce(given.changed, '{}'), current_user_id(),
                left(nullif(current_setting('app.origin', true), ''), 50), caused.depth, caused.cause
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
            cross join lateral event_cause(row.id) caused
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

-- One row whose listened columns differ: of its organization's listeners the values that differ. One statement, since it runs
-- for every row of a bulk update.
create or replace function note_change(entity text, before jsonb, after jsonb) returns void
language plpgsql
as $$
declare
    org uuid := uuid_or_null(after ->> 'org_id');
    record uuid := uuid_or_null(after ->> 'id');
    depth integer := 0;
    cause uuid;
begin
    if current_setting('app.workflow_causes', true) <> '' then
        select caused.depth, caused.cause into depth, cause from event_cause(record) caused;
    end if;
    insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, actor, origin, depth, cause)
    select
        org, entity, record, 'changed', min(topic), jsonb_object_agg(topic, jsonb_build_array(before -> topic, after -> topic)),
        current_user_id(), left(nullif(current_setting('app.origin', true), ''), 50), depth, cause
    from workflow_listeners
    where org_id = org and entity_type = entity and before -> topic is distinct from after -> topic and record is not null
    having count(*) > 0;
end
$$;

-- The first row of a transaction tries; once that has worked, the locks that it holds let no other row fail, and a savepoint
-- for each of 100,000 rows is spared. Once it has failed, no other row tries.
create or replace function note_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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

-- A reply that a person wrote, of the contacts with its address and of the one whose enrollment it belongs to. Resend's mails
-- show only later whether they are automatic.
create or replace function note_reply() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    item jsonb := to_jsonb(new);
    waits text := current_setting('lock_timeout');
    org uuid;
begin
    if (item ->> 'is_auto_reply')::boolean or item ->> 'source' = 'resend' and item ->> 'headers_read_at' is null then
        return null;
    end if;
    begin
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

-- Opt-outs, complaints and permanent bounces of the ledger, of the contacts with the address or number.
create or replace function note_consent_event() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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

-- Makes the update triggers of every table exactly those that `workflow_listeners` asks for, and touches only what differs.
-- A table that is busy, or whose columns cannot be compared, is skipped and listed with its SQLSTATE, null where it worked.
create or replace function listen_to_changes() returns table (relation text, sqlstate_of_failure text)
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '200ms'
as $$
declare
    each record;
begin
    -- One at a time: two that publish at once would replace each other's triggers.
    perform pg_advisory_xact_lock(52, 3);
    for each in
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
                    -- These types have no equality.
                    case
                        when atttypid in ('json'::regtype, 'xml'::regtype, 'point'::regtype, 'polygon'::regtype)
                            then format('old.%1$I::text is distinct from new.%1$I::text', attname)
                        else format('old.%1$I is distinct from new.%1$I', attname)
                    end,
                    ' or ' order by attname collate "C"
                ) filter (where attname is not null) as differs
            from listened
            left join pg_attribute on attrelid = listened.tgrelid and attnum > 0 and not attisdropped and exists (
                select from workflow_listeners where entity_type = listened.entity and topic = attname
            )
            group by listened.tgrelid, listened.entity, listened.present
        )
        select *
        from heard
        where present is distinct from (
            select string_agg(convert_to(argument, 'UTF8') || '\x00'::bytea, '' order by place)
            from unnest(array[entity] || columns) with ordinality as listed (argument, place)
            where columns is not null
        )
        order by tgrelid
    loop
        relation := each.tgrelid::regclass::text;
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
end
$$;

-- Which tables may be listened to, and the columns that are their status: workflows/entities.py, compared by a test.
create or replace trigger workflow_created after insert on accounts
    referencing new table as after_rows for each statement execute function note_created('account', 'status');
create or replace trigger workflow_created after insert on contacts
    referencing new table as after_rows for each statement execute function note_created('contact', 'status');
create or replace trigger workflow_created after insert on deals
    referencing new table as after_rows for each statement execute function note_created('deal', 'status', 'stage');
create or replace trigger workflow_created after insert on jobs
    referencing new table as after_rows for each statement execute function note_created('job', 'status');
create or replace trigger workflow_created after insert on submissions
    referencing new table as after_rows for each statement execute function note_created('submission', 'status');
create or replace trigger workflow_created after insert on placements
    referencing new table as after_rows for each statement execute function note_created('placement', 'status');
create or replace trigger workflow_created after insert on activities
    referencing new table as after_rows for each statement execute function note_created('activity', 'status');
create or replace trigger workflow_created after insert on campaign_enrollments
    referencing new table as after_rows for each statement execute function note_created('campaign_enrollment', 'status');

create or replace trigger workflow_replied after insert or update of is_auto_reply, headers_read_at, enrollment_id, from_address
    on inbox_items for each row execute function note_reply();
create or replace trigger workflow_consent after insert on consent_events
    referencing new table as after_rows for each statement execute function note_consent_event();

revoke all on function note_created(), note_changed(), note_reply(), note_consent_event(), note_change(text, jsonb, jsonb),
    event_cause(uuid), report_event_failure(text, text) from public, anon, authenticated, service_role, crm_relay;
revoke all on function listen_to_changes() from public, anon, authenticated;
grant execute on function listen_to_changes() to service_role, crm_relay;
comment on function listen_to_changes() is
    'Makes the update triggers of the CRM''s tables exactly those that published workflows listen to; safe to call at any time.';
