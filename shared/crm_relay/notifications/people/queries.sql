-- name: find_colleagues
-- A colleague by id or by address; more than one where an address is in several profiles.
select person.id, person.org_id, person.is_active, person.timezone, person.locale
from user_profiles person
where person.id = try_uuid(:who) or normalise_address(person.email) = normalise_address(:who)
order by person.id
limit 2;

-- name: settings_of_person
-- What acts for a person in each category that anything of theirs, their organization's or a template names.
select known.category, setting.*
from (
    select category from notification_preferences where user_id = :user_id
    union
    select category from notification_categories where org_id = :org_id
    union
    select category from notification_templates where is_active and (org_id is null or org_id = :org_id)
    union
    select category from notifications where user_id = :user_id and created_at > :since
) known
cross join lateral notification_setting(:user_id, known.category) setting
order by known.category;

-- name: notifications_since
-- What a person was notified of, without its words; rows that the application wrote itself are only shown.
select
    notification.id, notification.category, notification.priority, notification.is_critical, notification.channels,
    notification.created_at, notification.read_at, notification.archived_at, notification.expires_at,
    notification.unless_read_within, notification.withdrawn_for,
    array(
        select delivery.channel::text
        from notification_deliveries delivery
        where delivery.notification_id = notification.id and delivery.reason = 'no_template'
    ) as without_text
from notifications notification
where notification.user_id = :user_id and notification.created_at > :since and notification.group_count is not null
order by notification.created_at desc
limit :limit;
