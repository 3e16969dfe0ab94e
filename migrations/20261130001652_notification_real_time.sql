-- Notifications in real time: changes through the publication supabase_realtime, and messages on the private topic `user:<id>`.
set local lock_timeout = '5s';

do $$
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
    if not exists (
        select from pg_publication_tables
        where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = 'notifications'
    ) then
        alter publication supabase_realtime add table notifications;
    end if;
exception
    when insufficient_privilege then
        raise notice 'add notifications to the publication supabase_realtime by hand';
end
$$;

-- A new row, and one with a new text, is a message of its own: up to 20 a person and statement. Everything else (read, archived,
-- removed, a longer list) is one message a person with up to 100 rows. `unread` is the count that the writer's transaction
-- sees. It never raises: a notification that could not be announced is still there.
create or replace function broadcast_notifications() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changes jsonb;
begin
    if to_regprocedure('realtime.send(jsonb,text,text,boolean)') is null then
        return null;
    end if;
    if tg_op = 'INSERT' then
        select jsonb_agg(jsonb_build_object('id', id, 'user_id', user_id, 'change', 'created'))
        into changes
        from added
        where archived_at is null;
    elsif tg_op = 'DELETE' then
        select jsonb_agg(jsonb_build_object('id', id, 'user_id', user_id, 'change', 'removed'))
        into changes
        from removed
        where read_at is null and archived_at is null;
    else
        select jsonb_agg(jsonb_build_object('id', changed.id, 'user_id', changed.user_id, 'change', changed.change))
        into changes
        from (
            select
                present.id,
                present.user_id,
                case
                    when present.read_at is null and present.archived_at is null and (
                        present.title, present.message, present.type, present.category, present.priority, present.action_url,
                        present.action_label, present.group_count, present.is_silent, present.expires_at
                    ) is distinct from (
                        former.title, former.message, former.type, former.category, former.priority, former.action_url,
                        former.action_label, former.group_count, former.is_silent, former.expires_at
                    ) then 'updated'
                    when (present.read_at, present.archived_at) is distinct from (former.read_at, former.archived_at) then 'marked'
                end as change
            from present
            join former on former.id = present.id
        ) changed
        where changed.change is not null;
    end if;
    if changes is null then
        return null;
    end if;

    perform realtime.send(message.payload, message.event, 'user:' || message.user_id, true)
    from (
        with changed as (
            select *, row_number() over (partition by user_id, change in ('created', 'updated') order by id) as place
            from jsonb_to_recordset(changes) as entry (id uuid, user_id uuid, change text)
        ),
        unread as (
            select person.user_id, count(kept.id) as unread
            from (select distinct user_id from changed) person
            left join notifications kept
                on kept.user_id = person.user_id and kept.read_at is null and kept.archived_at is null
                and (kept.expires_at is null or kept.expires_at > now())
            group by person.user_id
        )
        select
            changed.user_id,
            'notification_' || changed.change as event,
            jsonb_build_object(
                'id', kept.id, 'title', kept.title, 'message', left(kept.message, 2000), 'type', kept.type, 'category', kept.category,
                'priority', kept.priority, 'action_url', kept.action_url, 'action_label', kept.action_label,
                'group_count', kept.group_count, 'is_silent', kept.is_silent, 'created_at', kept.created_at,
                'updated_at', kept.updated_at, 'unread', unread.unread
            ) as payload
        from changed
        join notifications kept on kept.id = changed.id
        join unread on unread.user_id = changed.user_id
        where changed.change in ('created', 'updated') and changed.place <= 20
        union all
        select
            changed.user_id,
            'notifications_changed',
            jsonb_build_object(
                'notifications', jsonb_agg(jsonb_build_object(
                    'id', changed.id, 'read_at', kept.read_at, 'archived_at', kept.archived_at, 'is_removed', kept.id is null
                )) filter (where changed.place <= 120),
                'is_complete', max(changed.place) <= 120,
                'unread', min(unread.unread)
            )
        from changed
        left join notifications kept on kept.id = changed.id
        join unread on unread.user_id = changed.user_id
        where changed.change in ('marked', 'removed') or changed.place > 20
        group by changed.user_id
    ) message;
    return null;
exception
    when others then
        raise warning 'notifications were not broadcast (%)', sqlstate;
        return null;
end
$$;

create or replace trigger broadcast_added_notifications after insert on notifications
    referencing new table as added for each statement execute function broadcast_notifications();
create or replace trigger broadcast_changed_notifications after update on notifications
    referencing old table as former new table as present for each statement execute function broadcast_notifications();
create or replace trigger broadcast_removed_notifications after delete on notifications
    referencing old table as removed for each statement execute function broadcast_notifications();

-- A private topic is authorised once, when a client joins it: everybody may hear `user:<own id>`. Where Realtime is installed
-- later than this schema, its owner runs `select allow_own_notification_topic()`; safe to run twice.
create or replace function allow_own_notification_topic() returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    if to_regclass('realtime.messages') is null or to_regprocedure('realtime.topic()') is null then
        return false;
    end if;
    if not exists (
        select from pg_policy where polrelid = to_regclass('realtime.messages') and polname = 'own_notification_topic'
    ) then
        execute $policy$
            create policy own_notification_topic on realtime.messages for select to authenticated
                using (extension = 'broadcast' and (select realtime.topic()) = 'user:' || (select current_user_id())::text)
        $policy$;
    end if;
    return true;
exception
    when insufficient_privilege then
        raise notice 'add the policy own_notification_topic to realtime.messages by hand';
        return false;
end
$$;

revoke all on function broadcast_notifications(), allow_own_notification_topic()
    from public, anon, authenticated, service_role, crm_relay;
select allow_own_notification_topic();
