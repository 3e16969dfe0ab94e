-- Marks of many rows lock them by id, as everything else does: two that both mark never wait for each other.
set local lock_timeout = '5s';

create or replace function mark_notifications_read(ids uuid[]) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set read_at = now()
    where read_at is null and id in (
        select own.id
        from notifications own
        where own.id = any (mark_notifications_read.ids) and own.user_id = current_user_id() and own.read_at is null
        order by own.id
        for no key update
    );
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

create or replace function mark_all_notifications_read(in_category text default null) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set read_at = now()
    where read_at is null and id in (
        select own.id
        from notifications own
        where own.user_id = current_user_id() and own.read_at is null and own.archived_at is null
            and (in_category is null or own.category = in_category)
        order by own.id
        for no key update
    );
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

create or replace function mark_notifications_unread(ids uuid[]) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform
    from notifications own
    where own.id = any (mark_notifications_unread.ids) and own.user_id = current_user_id() and own.read_at is not null
    order by own.id
    for no key update;
    update notifications
    set read_at = null
    where id in (
        select distinct on (coalesce(chosen.group_key, chosen.id::text)) chosen.id
        from notifications chosen
        where chosen.id = any (mark_notifications_unread.ids) and chosen.user_id = current_user_id()
            and chosen.read_at is not null
            and not exists (
                select
                from notifications open
                where open.user_id = chosen.user_id and open.group_key = chosen.group_key
                    and open.read_at is null and open.archived_at is null
            )
        order by coalesce(chosen.group_key, chosen.id::text), chosen.created_at desc, chosen.id
    );
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

create or replace function archive_notifications(ids uuid[]) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set archived_at = now()
    where archived_at is null and id in (
        select own.id
        from notifications own
        where own.id = any (archive_notifications.ids) and own.user_id = current_user_id() and own.archived_at is null
        order by own.id
        for no key update
    );
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

create or replace function archive_read_notifications(in_category text default null) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set archived_at = now()
    where archived_at is null and id in (
        select own.id
        from notifications own
        where own.user_id = current_user_id() and own.read_at is not null and own.archived_at is null
            and (in_category is null or own.category = in_category)
        order by own.id
        for no key update
    );
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;
