-- The reading side: what a person may change of own notifications and preferences, and functions that PostgREST can call.
set local lock_timeout = '5s';

-- Two columns of one's own rows. A table that the application made keeps the application's own policies and rights.
do $$
begin
    if exists (select from pg_policy where polrelid = 'notifications'::regclass and polname = 'authenticated_read') then
        drop policy if exists own_marks on notifications;
        create policy own_marks on notifications for update to authenticated
            using (user_id = (select current_user_id())) with check (user_id = (select current_user_id()));
        grant update (read_at, archived_at) on notifications to authenticated;
    end if;
    if exists (select from pg_policy where polrelid = 'notification_preferences'::regclass and polname = 'authenticated_read') then
        drop policy if exists own_preferences on notification_preferences;
        create policy own_preferences on notification_preferences for all to authenticated
            using (user_id = (select current_user_id()))
            with check (user_id = (select current_user_id()) and org_id = (select current_org()));
        -- A client that adds or replaces a row names its keys as well; the policy says which they may be.
        grant insert (
            org_id, user_id, category, channels, frequency, digest_time, digest_day, quiet_hours_enabled, quiet_hours_start,
            quiet_hours_end, quiet_hours_timezone, dnd_enabled, dnd_until, sound_enabled, email_unsubscribed
        ), update (
            org_id, user_id, category, channels, frequency, digest_time, digest_day, quiet_hours_enabled, quiet_hours_start,
            quiet_hours_end, quiet_hours_timezone, dnd_enabled, dnd_until, sound_enabled, email_unsubscribed
        ), delete on notification_preferences to authenticated;
    end if;
end
$$;
alter table notification_preferences alter column user_id set default current_user_id();
alter table notification_preferences alter column org_id set default current_org();

-- The database's clock says when: a client's would decide what retention removes. `updated_at` is what a client that was
-- away catches up by.
create or replace function stamp_notification() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if current_user = 'authenticated' then
        if new.read_at is distinct from old.read_at and new.read_at is not null then
            new.read_at := now();
        end if;
        if new.archived_at is distinct from old.archived_at and new.archived_at is not null then
            new.archived_at := now();
        end if;
    end if;
    if new.updated_at is not distinct from old.updated_at then
        new.updated_at := now();
    end if;
    return new;
end
$$;
create or replace trigger stamp_notification before update on notifications
    for each row when (
        (
            old.title, old.message, old.type, old.category, old.priority, old.action_url, old.action_label, old.group_count,
            old.is_silent, old.expires_at, old.read_at, old.archived_at
        ) is distinct from (
            new.title, new.message, new.type, new.category, new.priority, new.action_url, new.action_label, new.group_count,
            new.is_silent, new.expires_at, new.read_at, new.archived_at
        )
    )
    execute function stamp_notification();

create or replace function stamp_notification_preference() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.updated_at := now();
    if not coalesce(new.email_unsubscribed, false) then
        new.email_unsubscribed_at := null;
    elsif tg_op = 'INSERT' or not coalesce(old.email_unsubscribed, false) then
        new.email_unsubscribed_at := coalesce(new.email_unsubscribed_at, now());
    end if;
    return new;
end
$$;
create or replace trigger stamp_notification_preference before insert or update on notification_preferences
    for each row execute function stamp_notification_preference();

-- An unread row is one that is neither read nor archived nor expired: the one rule of the count, the list and the broadcast.
create or replace function unread_notification_count(in_category text default null) returns integer
language sql stable security definer set search_path = public, pg_temp
as $$
    select count(*)::integer
    from notifications
    where user_id = current_user_id() and read_at is null and archived_at is null
        and (expires_at is null or expires_at > now())
        and (in_category is null or category = in_category)
$$;

-- Each of the following answers with how many rows it changed and how many are unread now. A row that the caller does not own
-- is no row.
create or replace function mark_notifications_read(ids uuid[]) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set read_at = now()
    where id = any (mark_notifications_read.ids) and user_id = current_user_id() and read_at is null;
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
    where user_id = current_user_id() and read_at is null and archived_at is null
        and (in_category is null or category = in_category);
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

-- Unread again. Of a group one row can be unread: where there is one already, the older ones stay as they are.
create or replace function mark_notifications_unread(ids uuid[]) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
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
    where id = any (archive_notifications.ids) and user_id = current_user_id() and archived_at is null;
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

-- Everything that was read, of a category or of all.
create or replace function archive_read_notifications(in_category text default null) returns table (changed integer, unread integer)
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notifications
    set archived_at = now()
    where user_id = current_user_id() and read_at is not null and archived_at is null
        and (in_category is null or category = in_category);
    get diagnostics changed = row_count;
    unread := unread_notification_count();
    return next;
end
$$;

do $$
declare
    made record;
begin
    for made in
        select oid::regprocedure as signature, proname as name
        from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'unread_notification_count', 'mark_notifications_read', 'mark_all_notifications_read', 'mark_notifications_unread',
            'archive_notifications', 'archive_read_notifications', 'stamp_notification', 'stamp_notification_preference'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated, service_role, crm_relay', made.signature);
        if made.name not like 'stamp_%' then
            execute format('grant execute on function %s to authenticated, service_role, crm_relay', made.signature);
        end if;
    end loop;
end
$$;

comment on column notifications.updated_at is
    'When a shown field last changed, by the database''s clock. A client that was away asks for what is newer, with an overlap.';
