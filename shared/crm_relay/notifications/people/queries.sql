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

-- name: notifications_of
-- What a colleague got, and what colleagues got about a person's records, without its words.
with records as materialized (
    select id from contacts where normalise_address(email) = any (:addresses::text[])
    union
    select id from prospects where normalise_address(contact_email) = any (:addresses::text[])
    union
    select unnest(:ids::uuid[])
),
chosen as (
    (
        select true as is_received, notification.*
        from notifications notification
        where notification.user_id in (
            select id from user_profiles where normalise_address(email) = any (:addresses::text[]) or id = any (:ids::uuid[])
        )
        order by notification.created_at desc, notification.id
        limit :limit
    )
    union all
    (
        select false, notification.*
        from notifications notification
        where notification.entity_id in (select id from records)
        order by notification.created_at desc, notification.id
        limit :limit
    )
)
select
    chosen.is_received, chosen.id, chosen.user_id, chosen.category, chosen.template_slug, chosen.entity_type, chosen.entity_id,
    chosen.created_at, chosen.read_at, chosen.archived_at, chosen.withdrawn_for, chosen.expires_at,
    coalesce(deliveries.states, '{}') as deliveries
from chosen
cross join lateral (
    select jsonb_object_agg(delivery.channel, concat_ws(': ', delivery.state, delivery.reason)) as states
    from notification_deliveries delivery
    where delivery.notification_id = chosen.id
) deliveries
order by chosen.is_received desc, chosen.created_at desc, chosen.id;
