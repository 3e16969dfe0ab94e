-- What waits is asked again whatever changed: a preference or a default that moved to another category, a category that became
-- critical, a notification or a template of another category; and also where a notification is written at that very moment.
set local lock_timeout = '5s';

-- The people are locked first: who notifies them holds their rows by foreign keys, so what was written beside the change is
-- seen here; what is written behind it compares the preference that it has read (write_deliveries).
create or replace function note_preference_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
drop trigger if exists notification_preference_changed on notification_preferences;
create or replace trigger notification_preference_added after insert on notification_preferences
    referencing new table as changed for each statement execute function note_preference_change();
create or replace trigger notification_preference_edited after update on notification_preferences
    referencing new table as changed old table as former for each statement execute function note_preference_change();
create or replace trigger notification_preference_removed after delete on notification_preferences
    referencing old table as changed for each statement execute function note_preference_change();

-- The same for those who have no preference of their own; of a category that is or was critical for all.
create or replace function note_category_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
drop trigger if exists notification_category_changed on notification_categories;
create or replace trigger notification_category_added after insert on notification_categories
    referencing new table as changed for each statement execute function note_category_change();
create or replace trigger notification_category_edited after update on notification_categories
    referencing new table as changed old table as former for each statement execute function note_category_change();
create or replace trigger notification_category_removed after delete on notification_categories
    referencing old table as changed for each statement execute function note_category_change();

-- A notification that moves to another category, as that of a group does with its newest event.
create or replace function note_notification_category() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
create or replace trigger notification_category_moved after update of category on notifications
    for each row when (old.category is distinct from new.category) execute function note_notification_category();

-- What waits follows its template to another category; what was sent keeps the one that it was written with.
create or replace function note_template_category() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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
create or replace trigger notification_template_moved after update of category on notification_templates
    for each row when (old.category is distinct from new.category) execute function note_template_category();

revoke all on function note_preference_change(), note_category_change(), note_notification_category(), note_template_category()
    from public, anon, authenticated, service_role, crm_relay;
