-- An event costs less where nobody is named and nothing was caused: neither is asked for every row of a bulk change.
set local lock_timeout = '5s';

create or replace function note_created() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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

create or replace function note_change(entity text, before jsonb, after jsonb) returns void
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
