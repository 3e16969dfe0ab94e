-- What follows from a change: the status of a notification on its channels, and asking again what waits.
set local lock_timeout = '5s';

-- `delivery_status` says what became of it on each channel, and changes once a channel: every update of the row reaches browsers.
create or replace function keep_delivery_status() returns trigger
language plpgsql set search_path = public, pg_temp
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
create or replace trigger notification_delivery_status after update on notification_deliveries
    referencing old table as before_rows new table as after_rows
    for each statement execute function keep_delivery_status();

-- What waits for somebody is asked again under the preference of now. The notifications are locked first, as everywhere.
create or replace function note_preference_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed record;
begin
    if tg_op = 'DELETE' then
        changed := old;
    else
        changed := new;
    end if;
    perform
    from notifications
    where id in (
        select notification_id
        from notification_deliveries
        where user_id = changed.user_id and category = changed.category and state in ('waiting', 'digest')
    )
    order by id
    for no key update;
    update notification_deliveries
    set state = 'waiting', reason = 'preference_changed', not_before = created_at, digest_id = null, updated_at = now()
    where user_id = changed.user_id and category = changed.category and state in ('waiting', 'digest');
    return null;
end
$$;
create or replace trigger notification_preference_changed after insert or update or delete on notification_preferences
    for each row execute function note_preference_change();

-- The same for those who have no preference of their own.
create or replace function note_category_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed record;
begin
    if tg_op = 'DELETE' then
        changed := old;
    else
        changed := new;
    end if;
    perform
    from notifications
    where id in (
        select notification_id
        from notification_deliveries
        where org_id = changed.org_id and category = changed.category and state in ('waiting', 'digest')
    )
    order by id
    for no key update;
    update notification_deliveries delivery
    set state = 'waiting', reason = 'preference_changed', not_before = created_at, digest_id = null, updated_at = now()
    where org_id = changed.org_id and category = changed.category and state in ('waiting', 'digest')
        and not exists (
            select
            from notification_preferences own
            where own.user_id = delivery.user_id and own.category = delivery.category
        );
    return null;
end
$$;
create or replace trigger notification_category_changed after insert or update or delete on notification_categories
    for each row execute function note_category_change();
create index if not exists idx_notification_deliveries_category on notification_deliveries (org_id, category) where state in ('waiting', 'digest');

revoke all on function keep_delivery_status(), note_preference_change(), note_category_change()
    from public, anon, authenticated, service_role, crm_relay;
