-- What is watched belongs to a draft or to nobody; and since when the events of a topic are recorded is known.
set local lock_timeout = '5s';
select remember_tables();

-- A column that somebody watches is no workflow's: `workflow_id` is null there.
alter table workflow_listeners drop constraint if exists workflow_listeners_pkey;
alter table workflow_listeners alter column workflow_id drop not null;
alter table workflow_listeners add column if not exists id bigint generated always as identity;
alter table workflow_listeners add column if not exists watched_by text;
create unique index if not exists idx_workflow_listeners_id on workflow_listeners (id);
do $migration$
begin
    if not exists (
        select from pg_constraint where conrelid = 'workflow_listeners'::regclass and contype = 'p'
    ) then
        alter table workflow_listeners add constraint workflow_listeners_pkey primary key using index idx_workflow_listeners_id;
    end if;
end
$migration$;
create unique index if not exists idx_workflow_listeners_once on workflow_listeners (
    coalesce(workflow_id, '00000000-0000-0000-0000-000000000000'), org_id, entity_type, topic, is_watched
);
create index if not exists idx_workflow_listeners_workflow on workflow_listeners (workflow_id);

-- Since when every event of a topic is kept: a rehearsal says which span it covers, and a publication since when it is heard.
create table if not exists workflow_recordings (
    org_id uuid not null references organizations (id) on delete cascade,
    entity_type text not null,
    topic text not null,
    since timestamptz not null,
    primary key (org_id, entity_type, topic)
);
select secure_new_table('workflow_recordings'::regclass);
comment on table workflow_recordings is 'Since when the events of a topic are recorded without a gap; no row: they are not.';

-- The topics that are heard now: of a column the trigger of its table is there, anything else is heard by its listener alone.
create or replace function topics_heard() returns table (org_id uuid, entity_type text, topic text)
language sql stable set search_path = public, pg_temp
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

-- As before, but for partitions: their triggers are their table's.
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

-- As before. Drafts of deleted workflows are watched no more, rows that are inserted straight into a partition are new rows
-- too, and what is heard from now on is noted with its time.
create or replace function listen_to_changes() returns table (relation text, sqlstate_of_failure text)
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '200ms'
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

-- What is listened to already has its time from now on.
do $migration$
begin
    perform listen_to_changes();
end
$migration$;

revoke all on function topics_heard() from public, anon, authenticated;
grant execute on function topics_heard() to service_role, crm_relay;
comment on function topics_heard() is 'What organizations hear of now: topics of listeners whose triggers are there.';
