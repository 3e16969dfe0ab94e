-- name: templates_of
-- Templates of these slugs, an organization's own and the system's; and which of them an incident is open about.
select
    template.*,
    array(
        select incident.subject
        from incidents incident
        where incident.kind = 'notification_template' and incident.closed_at is null
            and incident.subject like '%/' || template.slug
    ) as troubles
from notification_templates template
where template.is_active and template.slug = any (:slugs::text[])
    and (template.org_id is null or template.org_id = any (:orgs::uuid[]));

-- name: recipients_of
-- The people of each request, with what acts for them in its category. Nobody of another organization is among them.
with asked as materialized (
    select *
    from :requests as request (
        place integer, org_id uuid, category text, users uuid[], role text, owner_type text, owner_id uuid, manager_of uuid,
        everybody boolean
    )
),
people as (
    select asked.place, named.id
    from asked
    cross join lateral unnest(asked.users) as named (id)
    union
    select asked.place, person.id
    from asked
    join user_profiles person on person.org_id = asked.org_id and person.role = asked.role and person.is_active
    union
    select asked.place, person.id
    from asked
    join user_profiles person on asked.everybody and person.org_id = asked.org_id and person.is_active
    union
    select asked.place, report.manager_id
    from asked
    join user_profiles report on report.id = asked.manager_of and report.org_id = asked.org_id
    union
    select
        asked.place,
        case asked.owner_type
            when 'account' then (select owner_id from accounts where id = asked.owner_id and org_id = asked.org_id)
            when 'contact' then (select owner_id from contacts where id = asked.owner_id and org_id = asked.org_id)
            when 'deal' then (select owner_id from deals where id = asked.owner_id and org_id = asked.org_id)
            when 'job' then (select owner_id from jobs where id = asked.owner_id and org_id = asked.org_id)
            when 'submission' then (select owner_id from submissions where id = asked.owner_id and org_id = asked.org_id)
            when 'placement' then (select owner_id from placements where id = asked.owner_id and org_id = asked.org_id)
            when 'activity' then (select assignee_id from activities where id = asked.owner_id and org_id = asked.org_id)
        end
    from asked
    where asked.owner_id is not null
)
select
    asked.place, people.id as user_id, setting.*,
    -- The version of what acts: a change beside this makes it another one.
    coalesce(own.xmin::text, '') || '/' || coalesce(organization.xmin::text, '') as setting_version
from people
join asked on asked.place = people.place
cross join lateral notification_setting(people.id, asked.category) setting
left join notification_preferences own on own.user_id = people.id and own.category = asked.category
left join notification_categories organization
    on organization.org_id = asked.org_id and organization.category = asked.category
where setting.org_id = asked.org_id
order by asked.place, people.id;

-- name: claim_keys
-- The same event is one notification for ever. Another transaction with the same key is waited for.
insert into notification_keys (user_id, event_key, created_at)
select user_id, event_key, :now
from jsonb_to_recordset(:keys) as claimed (user_id uuid, event_key text)
order by user_id, event_key
on conflict do nothing
returning user_id, event_key;

-- name: write_notifications
-- New rows; an unread one of the same group gets the newest text instead, and is locked by its id as everywhere.
with draft as materialized (
    select *
    from jsonb_to_recordset(:notifications) as draft (
        id uuid, org_id uuid, user_id uuid, title text, message text, type text, category text, entity_type text, entity_id uuid,
        action_url text, action_label text, channels jsonb, priority text, group_key text, expires_at timestamptz, delivery_status jsonb,
        archived_at timestamptz, template_slug text, template_version integer, event_key text, group_count integer,
        is_critical boolean, is_silent boolean, unless_read_within integer
    )
),
locked as materialized (
    select present.id
    from notifications present
    where (present.user_id, present.group_key) in (select user_id, group_key from draft where group_key is not null)
        and present.group_count is not null and present.read_at is null and present.archived_at is null
    order by present.id
    for no key update
)
insert into notifications as notification (
    id, org_id, user_id, title, message, type, category, entity_type, entity_id, action_url, action_label, channels, priority, group_key,
    expires_at, delivery_status, archived_at, created_at, template_slug, template_version, event_key, group_count, is_critical,
    is_silent, unless_read_within, updated_at
)
select
    id, org_id, user_id, title, message, type, category, entity_type, entity_id, action_url, action_label, channels, priority, group_key,
    expires_at, delivery_status, archived_at, :now, template_slug, template_version, event_key, group_count, is_critical,
    is_silent, unless_read_within, :now
from draft
where (select count(*) from locked) >= 0
order by user_id, group_key, id
on conflict (user_id, group_key) where group_key is not null and group_count is not null and read_at is null and archived_at is null
do update set
    title = excluded.title, message = excluded.message, type = excluded.type, category = excluded.category,
    entity_type = excluded.entity_type, entity_id = excluded.entity_id, action_url = excluded.action_url,
    action_label = excluded.action_label, priority = excluded.priority, expires_at = excluded.expires_at,
    channels = notification.channels || (excluded.channels - array(select jsonb_array_elements_text(notification.channels))),
    template_slug = excluded.template_slug, template_version = excluded.template_version, event_key = excluded.event_key,
    group_count = notification.group_count + excluded.group_count, is_critical = excluded.is_critical,
    is_silent = excluded.is_silent, unless_read_within = excluded.unless_read_within, updated_at = excluded.updated_at
returning id, user_id, group_key;

-- name: join_digests
-- The open digest of each person, channel and moment: made, or locked so that it cannot leave before its new members are in it.
insert into notification_digests (id, org_id, user_id, channel, leaves_at, not_before, reason, created_at, updated_at)
select id, org_id, user_id, channel, leaves_at, leaves_at, reason, :now, :now
from jsonb_to_recordset(:digests) as digest (id uuid, org_id uuid, user_id uuid, channel text, leaves_at timestamptz, reason text)
order by user_id, channel, leaves_at
on conflict (user_id, channel, leaves_at) where state = 'open'
do update set updated_at = excluded.updated_at
returning id, user_id, channel, leaves_at;

-- name: write_deliveries
-- One row a channel; what waits by a preference that changed since it was read is asked again.
insert into notification_deliveries as delivery (
    id, notification_id, org_id, user_id, channel, category, lane, state, reason, not_before, digest_id, content, left_at, created_at,
    updated_at
)
select
    draft.id, draft.notification_id, draft.org_id, draft.user_id, draft.channel, draft.category, draft.lane,
    case when present.changed then 'waiting' else draft.state end,
    case when present.changed then 'preference_changed' else draft.reason end,
    case when present.changed then :now else draft.not_before end,
    case when not present.changed then draft.digest_id end,
    draft.content, draft.left_at, :now, :now
from jsonb_to_recordset(:deliveries) as draft (
    id uuid, notification_id uuid, org_id uuid, user_id uuid, channel text, category text, lane smallint, state text, reason text,
    not_before timestamptz, digest_id uuid, content jsonb, left_at timestamptz, setting_version text
)
left join notification_preferences own on own.user_id = draft.user_id and own.category = draft.category
left join notification_categories organization
    on organization.org_id = draft.org_id and organization.category = draft.category
cross join lateral (
    select
        draft.state in ('waiting', 'digest')
        and draft.setting_version <> coalesce(own.xmin::text, '') || '/' || coalesce(organization.xmin::text, '') as changed
) present
order by draft.notification_id, draft.channel
-- Of a group the row is sent again an hour after it left, or at once where the newest is more urgent than what left; one that has
-- not left yet carries the newest text.
on conflict (notification_id, channel) do update
set
    content = case
        when delivery.state in ('waiting', 'digest') then coalesce(excluded.content, delivery.content)
        when excluded.state in ('waiting', 'digest') then excluded.content
    end,
    lane = case when delivery.state in ('waiting', 'digest') then least(delivery.lane, excluded.lane) else excluded.lane end,
    category = excluded.category,
    -- What waits keeps its turn, unless something more urgent came into the group that can leave there.
    (state, reason, not_before, digest_id) = (
        select chosen.state, chosen.reason, chosen.not_before, chosen.digest_id
        from (
            values
                (true, delivery.state, delivery.reason, delivery.not_before, delivery.digest_id),
                (false, excluded.state, excluded.reason, excluded.not_before, excluded.digest_id)
        ) as chosen (keeps_turn, state, reason, not_before, digest_id)
        where chosen.keeps_turn
            = (delivery.state in ('waiting', 'digest') and (excluded.lane >= delivery.lane or excluded.state = 'skipped'))
    ),
    round = delivery.round + case when delivery.state in ('waiting', 'digest') then 0 else 1 end,
    send_id = case when delivery.state in ('waiting', 'digest') then delivery.send_id end,
    post_id = case when delivery.state in ('waiting', 'digest') then delivery.post_id end,
    attempts = 0,
    claimed_until = null,
    left_at = case when delivery.state in ('waiting', 'digest') then delivery.left_at else excluded.left_at end,
    updated_at = :now
where delivery.state in ('waiting', 'digest')
    -- What a ledger still holds may wait long; what is more urgent goes its own way.
    or delivery.state = 'queued' and delivery.channel in ('email', 'sms') and excluded.lane < delivery.lane and excluded.state <> 'skipped'
    or delivery.state in ('sent', 'dry_run', 'skipped', 'failed', 'unknown')
    and (
        delivery.channel = 'in_app' or delivery.left_at is null or excluded.lane < delivery.lane
        or delivery.left_at <= cast(:now as timestamptz) - interval '1 hour'
    );

-- name: leave_categories
-- No more e-mails of the categories of these notifications and digests; where a person has no preference, what acts stays.
-- A link holds longer than what it came with: of a notification that was removed the ledger knows reader and category.
insert into notification_preferences as own (
    org_id, user_id, category, channels, frequency, quiet_hours_timezone, email_unsubscribed, email_unsubscribed_at, updated_at
)
select distinct on (left_one.user_id, left_one.category)
    left_one.org_id, left_one.user_id, left_one.category, coalesce(setting.channels, '["in_app", "email"]'),
    coalesce(setting.frequency, 'immediate'),
    case when is_time_zone(setting.zone) then left(setting.zone, 50) else 'UTC' end, true, cast(:now as timestamptz), :now
from (
    select org_id, user_id, category
    from notification_deliveries
    where id = any (:entities::uuid[])
    union
    select org_id, user_id, category
    from notification_deliveries
    where digest_id = any (:entities::uuid[])
    union
    select mail.org_id, person.id, category
    from email_sends mail
    join user_profiles person on person.org_id = mail.org_id and normalise_address(person.email) = mail.address
    cross join lateral string_to_table(mail.topic, ', ') category
    where mail.id = any (:mails::uuid[])
        and not exists (select from notification_deliveries kept where mail.entity_id in (kept.id, kept.digest_id))
) left_one
cross join lateral notification_setting(left_one.user_id, left_one.category) setting
order by left_one.user_id, left_one.category
on conflict (user_id, category) do update
set
    email_unsubscribed = true, updated_at = excluded.updated_at,
    email_unsubscribed_at = case when own.email_unsubscribed then own.email_unsubscribed_at else excluded.email_unsubscribed_at end;

-- name: withdraw
-- It is over for everybody: what was not sent yet is dropped, and the rows show no call to act any more.
update notifications
set withdrawn_for = :reason, archived_at = coalesce(archived_at, :now)
where withdrawn_for is null and id in (
    select id
    from notifications
    where entity_type = :entity_type and entity_id = any (:entity_ids::uuid[]) and withdrawn_for is null
        and (cast(:org_id as uuid) is null or org_id = :org_id)
        and (cast(:slug as text) is null or template_slug = :slug)
    order by id
    for no key update
);

-- name: erase_colleague
-- A colleague who is erased: the profile without the person, and nothing of what they were told.
with settings as materialized (
    select own.id
    from notification_preferences own
    join user_profiles person on person.id = own.user_id
    where normalise_address(person.email) = any (:addresses::text[])
    order by own.id
    for update of own
),
people as materialized (
    select id
    from user_profiles
    where normalise_address(email) = any (:addresses::text[]) and (select count(*) from settings) >= 0
    order by id
    for update
),
theirs as materialized (
    select id from notifications where user_id in (select id from people) order by id for update
),
told as (
    delete from notifications where id in (select id from theirs) returning id
),
digests as (
    delete from notification_digests where user_id in (select id from people) returning id
),
preferences as (
    delete from notification_preferences where user_id in (select id from people) returning id
),
webhooks as (
    delete from notification_slack_webhooks where user_id in (select id from people) returning id
),
profiles as (
    update user_profiles
    set email = null, name = null, phone = null, is_active = false
    where id in (select id from people)
    returning id
)
select
    (select count(*) from profiles)::integer as user_profiles,
    (select count(*) from told)::integer as notifications_received,
    (select count(*) from digests)::integer as notification_digests,
    (select count(*) from preferences)::integer as notification_preferences,
    (select count(*) from webhooks)::integer as notification_slack_webhooks;

-- name: count_colleague
-- What erase_colleague would change.
with people as materialized (
    select id from user_profiles where normalise_address(email) = any (:addresses::text[])
)
select
    (select count(*) from people)::integer as user_profiles,
    (select count(*) from notifications where user_id in (select id from people))::integer as notifications_received,
    (select count(*) from notification_digests where user_id in (select id from people))::integer as notification_digests,
    (select count(*) from notification_preferences where user_id in (select id from people))::integer as notification_preferences,
    (
        select count(*) from notification_slack_webhooks where user_id in (select id from people)
    )::integer as notification_slack_webhooks;

-- name: notification
-- One notification, without its words.
select
    id, org_id, user_id, category, type, priority, template_slug, template_version, event_key, group_key, group_count, entity_type, entity_id,
    is_critical, is_silent, channels, read_at, archived_at, withdrawn_for, expires_at, unless_read_within, created_at, updated_at
from notifications
where id = :id;

-- name: deliveries_of
-- Each channel of a notification with what decided about it, its digest, and what the ledger of mail says.
select
    delivery.id, delivery.notification_id, delivery.user_id, delivery.channel, delivery.category, delivery.lane, delivery.state,
    delivery.reason, delivery.not_before, delivery.round, delivery.digest_id, delivery.left_at, delivery.created_at,
    delivery.content is not null as has_text,
    digest.state as digest_state, digest.leaves_at as digest_leaves_at, digest.left_at as digest_left_at, digest.lines as digest_lines,
    mail.status as mail_status, mail.reason as mail_reason, mail.held_for as mail_held_for, mail.sent_at as mail_sent_at,
    setting.*,
    (
        select count(*)
        from notification_deliveries sent
        where sent.user_id = delivery.user_id and sent.left_at > cast(:now as timestamptz) - interval '1 hour'
            and sent.channel <> 'in_app' and sent.digest_id is null and sent.id <> delivery.id
    )::integer as left_this_hour
from notification_deliveries delivery
left join notification_digests digest on digest.id = delivery.digest_id
left join email_sends mail on mail.id = coalesce(delivery.send_id, digest.send_id)
cross join lateral notification_setting(delivery.user_id, delivery.category) setting
where delivery.notification_id = :id
order by delivery.created_at, delivery.channel;
