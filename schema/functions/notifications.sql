-- Functions of notifications. Written by `make schema`: change it by a migration.


create function allow_own_notification_topic()
    returns boolean
    language plpgsql
    set search_path to 'public', 'pg_temp'
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
revoke execute on function allow_own_notification_topic() from crm_relay, service_role;


create function archive_notifications(ids uuid[])
    returns table(changed integer, unread integer)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
grant execute on function archive_notifications(uuid[]) to authenticated;


create function archive_read_notifications(in_category text default null::text)
    returns table(changed integer, unread integer)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
grant execute on function archive_read_notifications(text) to authenticated;


create function are_notification_channels(channels jsonb)
    returns boolean
    language sql
    immutable
as $$
    select jsonb_typeof(channels) = 'array' and channels <@ '["in_app", "email", "slack", "sms", "push"]'
$$;
grant execute on function are_notification_channels(jsonb) to authenticated;


create function broadcast_notifications()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function broadcast_notifications() from crm_relay, service_role;


create function count_template_version()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    new.version := coalesce(old.version, 1) + 1;
    new.updated_at := now();
    return new;
end
$$;
revoke execute on function count_template_version() from crm_relay, service_role;


create function keep_delivery_status()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    update notifications notification
    set delivery_status = notification.delivery_status || changed.status
    from (
        select after.notification_id, jsonb_object_agg(after.channel, after.state) as status
        from after_rows after
        join before_rows before using (id)
        where after.state is distinct from before.state
            and (
                after.state in ('sent', 'dry_run', 'skipped', 'failed', 'unknown')
                or before.state in ('sent', 'dry_run', 'skipped', 'failed', 'unknown')
            )
        group by after.notification_id
    ) changed
    where notification.id = changed.notification_id;
    return null;
end
$$;
revoke execute on function keep_delivery_status() from crm_relay, service_role;


create function mark_all_notifications_read(in_category text default null::text)
    returns table(changed integer, unread integer)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
grant execute on function mark_all_notifications_read(text) to authenticated;


create function mark_notifications_read(ids uuid[])
    returns table(changed integer, unread integer)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
grant execute on function mark_notifications_read(uuid[]) to authenticated;


create function mark_notifications_unread(ids uuid[])
    returns table(changed integer, unread integer)
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
grant execute on function mark_notifications_unread(uuid[]) to authenticated;


create function note_category_change()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    changes jsonb;
begin
    if tg_op = 'UPDATE' then
        select jsonb_agg(jsonb_build_object('org_id', org_id, 'category', category, 'is_critical', is_critical))
        into changes
        from (
            select org_id, category, bool_or(is_critical) as is_critical
            from (select org_id, category, is_critical from changed union all select org_id, category, is_critical from former) each_one
            group by org_id, category
        ) either;
    else
        select jsonb_agg(jsonb_build_object('org_id', org_id, 'category', category, 'is_critical', is_critical))
        into changes
        from changed;
    end if;
    if changes is null then
        return null;
    end if;
    perform
    from user_profiles
    where org_id in (select org_id from jsonb_to_recordset(changes) as change (org_id uuid))
    order by id
    for update;
    perform
    from notifications
    where id in (
        select delivery.notification_id
        from jsonb_to_recordset(changes) as change (org_id uuid, category text, is_critical boolean)
        join notification_deliveries delivery on delivery.org_id = change.org_id and delivery.category = change.category
        where delivery.state in ('waiting', 'digest')
            and (
                change.is_critical or not exists (
                    select
                    from notification_preferences own
                    where own.user_id = delivery.user_id and own.category = delivery.category
                )
            )
    )
    order by id
    for no key update;
    update notification_deliveries delivery
    set state = 'waiting', reason = 'preference_changed', not_before = delivery.created_at, digest_id = null, updated_at = now()
    from jsonb_to_recordset(changes) as change (org_id uuid, category text, is_critical boolean)
    where delivery.org_id = change.org_id and delivery.category = change.category and delivery.state in ('waiting', 'digest')
        and (
            change.is_critical or not exists (
                select
                from notification_preferences own
                where own.user_id = delivery.user_id and own.category = delivery.category
            )
        );
    return null;
end
$$;
revoke execute on function note_category_change() from crm_relay, service_role;


create function note_notification_category()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    update notification_deliveries
    set
        category = new.category, state = 'waiting', reason = 'preference_changed', not_before = created_at, digest_id = null,
        updated_at = now()
    where notification_id = new.id and state in ('waiting', 'digest');
    return null;
end
$$;
revoke execute on function note_notification_category() from crm_relay, service_role;


create function note_preference_change()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    changes jsonb;
begin
    if tg_op = 'UPDATE' then
        select jsonb_agg(jsonb_build_object('user_id', user_id, 'category', category))
        into changes
        from (select user_id, category from changed union select user_id, category from former) either;
    else
        select jsonb_agg(jsonb_build_object('user_id', user_id, 'category', category)) into changes from changed;
    end if;
    if changes is null then
        return null;
    end if;
    perform
    from user_profiles
    where id in (select user_id from jsonb_to_recordset(changes) as change (user_id uuid))
    order by id
    for update;
    perform
    from notifications
    where id in (
        select delivery.notification_id
        from jsonb_to_recordset(changes) as change (user_id uuid, category text)
        join notification_deliveries delivery on delivery.user_id = change.user_id and delivery.category = change.category
        where delivery.state in ('waiting', 'digest')
    )
    order by id
    for no key update;
    update notification_deliveries delivery
    set state = 'waiting', reason = 'preference_changed', not_before = delivery.created_at, digest_id = null, updated_at = now()
    from jsonb_to_recordset(changes) as change (user_id uuid, category text)
    where delivery.user_id = change.user_id and delivery.category = change.category and delivery.state in ('waiting', 'digest');
    return null;
end
$$;
revoke execute on function note_preference_change() from crm_relay, service_role;


create function note_template_category()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    update notifications
    set category = new.category
    where id in (
        select notification.id
        from notifications notification
        where notification.org_id = new.org_id and notification.template_slug = old.slug and notification.category = old.category
            and notification.id in (
                select notification_id
                from notification_deliveries
                where org_id = new.org_id and category = old.category and state in ('waiting', 'digest')
            )
        order by notification.id
        for no key update
    );
    return null;
end
$$;
revoke execute on function note_template_category() from crm_relay, service_role;


create function notification_setting(wanted_user uuid, wanted_category text)
    returns table(org_id uuid, is_user_active boolean, email text, phone text, locale text, source text, channels jsonb,
        frequency text, digest_time text, digest_day text, quiet_hours_enabled boolean, quiet_hours_start text,
        quiet_hours_end text, zone text, dnd_enabled boolean, dnd_until timestamptz, email_unsubscribed boolean,
        is_critical boolean, slack_webhook_id uuid, is_slack_own boolean)
    language sql
    stable
as $$
    select
        person.org_id, person.is_active, person.email, person.phone, person.locale,
        case when own.id is not null then 'person' when organization.org_id is not null then 'organization' else 'built_in' end,
        case when own.id is not null then own.channels else organization.channels end,
        case when own.id is not null then own.frequency else organization.frequency end,
        -- As text: a driver takes long to read a time.
        own.digest_time::text, own.digest_day, coalesce(own.quiet_hours_enabled, false), own.quiet_hours_start::text,
        own.quiet_hours_end::text,
        coalesce(own.quiet_hours_timezone, person.timezone), coalesce(own.dnd_enabled, false), own.dnd_until,
        coalesce(own.email_unsubscribed, false), coalesce(organization.is_critical, false), slack.id, slack.user_id is not null
    from user_profiles person
    left join notification_preferences own on own.user_id = person.id and own.category = wanted_category
    left join notification_categories organization
        on organization.org_id = person.org_id and organization.category = wanted_category
    left join lateral (
        select webhook.id, webhook.user_id
        from notification_slack_webhooks webhook
        where webhook.org_id = person.org_id and (webhook.user_id = person.id or webhook.user_id is null)
            and webhook.disabled_at is null
        order by webhook.user_id nulls last
        limit 1
    ) slack on true
    where person.id = wanted_user
$$;


create function own_time_zone()
    returns text
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
    select coalesce(
        (select zone_meant(own.timezone) from user_profiles own where own.id = current_user_id() and length(own.timezone) <= 50),
        'America/New_York'
    )
$$;
grant execute on function own_time_zone() to authenticated;


create function refuse_system_template_change()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    raise exception 'a system template is changed by nobody; a template of an organization with the same slug overrides it'
        using errcode = 'check_violation';
end
$$;
revoke execute on function refuse_system_template_change() from crm_relay, service_role;


create function stamp_notification()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
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
revoke execute on function stamp_notification() from crm_relay, service_role;


create function stamp_notification_preference()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
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
revoke execute on function stamp_notification_preference() from crm_relay, service_role;


create function unread_notification_count(in_category text default null::text)
    returns integer
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
    select count(*)::integer
    from notifications
    where user_id = current_user_id() and read_at is null and archived_at is null
        and (expires_at is null or expires_at > now())
        and (in_category is null or category = in_category)
$$;
grant execute on function unread_notification_count(text) to authenticated;
