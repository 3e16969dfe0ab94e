-- name: what_is_due
-- One look: whether there is anything to do at all, and of what kind.
select
    exists (select from notification_deliveries where state = 'waiting' and lane in (0, 1, 2) and not_before <= :now) as deliveries,
    exists (select from notification_digests where state = 'open' and not_before <= :now) as digests,
    exists (
        select
        from email_batches
        where purpose = any (:purposes::text[]) and state in ('queued', 'sending') and not_before <= :now
            and (claimed_until is null or claimed_until <= :now)
    ) as mails,
    exists (
        select
        from sms_sends
        where purpose = any (:purposes::text[]) and status in ('queued', 'sending') and not_before <= :now
            and (status = 'queued' or coalesce(claimed_until, not_before) <= :now)
    ) as texts,
    exists (
        select
        from notification_deliveries
        where channel = 'slack' and state in ('queued', 'sending') and coalesce(claimed_until, not_before) <= :now
    ) or exists (
        select
        from notification_digests
        where channel = 'slack' and state in ('queued', 'sending') and coalesce(claimed_until, not_before) <= :now
    ) as posts;

-- name: claim_deliveries
-- What is due, the most urgent first, ours until the transaction ends; without those whose notification somebody else has.
with due as materialized (
    select id, notification_id
    from notification_deliveries
    where state = 'waiting' and not_before <= :now
    order by lane, not_before
    limit :limit
    for no key update skip locked
)
select due.id
from due
join notifications notification on notification.id = due.notification_id
for no key update of notification skip locked;

-- name: delivery_facts
-- Everything that decides about these deliveries, as it is now.
select
    delivery.id, delivery.org_id as delivery_org_id, delivery.user_id, delivery.channel, delivery.category, delivery.lane,
    delivery.reason, delivery.round, delivery.content, delivery.created_at,
    -- What Slack is sent; mail and text messages have their own words.
    case when delivery.channel = 'slack' then notification.title end as title,
    case when delivery.channel = 'slack' then notification.message end as message,
    notification.action_url, notification.event_key, notification.group_count, notification.expires_at, notification.unless_read_within, notification.withdrawn_for,
    notification.is_critical as is_notification_critical,
    notification.read_at is not null or notification.archived_at is not null as was_seen,
    setting.*,
    recent.deliveries as left_this_hour, late.deliveries as late,
    -- The id of what it is in a ledger now.
    case delivery.channel
        when 'email' then delivery.send_id
        when 'sms' then (select id from sms_sends where send_key = 'notification/' || delivery.id || '/' || delivery.round)
    end as ledger_id
from notification_deliveries delivery
join notifications notification on notification.id = delivery.notification_id
cross join lateral notification_setting(delivery.user_id, delivery.category) setting
cross join lateral (
    select count(*)::integer as deliveries
    from notification_deliveries sent
    where sent.user_id = delivery.user_id and sent.left_at > cast(:now as timestamptz) - interval '1 hour'
        and sent.channel <> 'in_app' and sent.digest_id is null and sent.id <> delivery.id
) recent
left join lateral (
    -- How many were held up by us, for this person on this channel; those that were gathered for it already count too.
    select count(*)::integer as deliveries
    from notification_deliveries other
    where delivery.not_before < cast(:late_before as timestamptz)
        and other.user_id = delivery.user_id and other.channel = delivery.channel and other.lane >= 2
        and (
            other.state = 'waiting' and other.not_before < :late_before and other.reason is distinct from 'preference_changed'
            or other.state = 'digest' and other.reason = 'caught_up'
        )
) late on true
where delivery.id = any (:ids::uuid[])
order by delivery.lane, delivery.not_before, delivery.id;

-- name: record_deliveries
-- What was decided of each. A text is kept only as long as it may still leave.
update notification_deliveries delivery
set
    state = decided.state, reason = decided.reason, not_before = decided.not_before, digest_id = decided.digest_id,
    send_id = coalesce(decided.send_id, delivery.send_id), post_id = coalesce(decided.post_id, delivery.post_id),
    content = case when decided.state in ('waiting', 'digest') then delivery.content else decided.content end,
    left_at = coalesce(decided.left_at, delivery.left_at), updated_at = :now
from jsonb_to_recordset(:decided) as decided (
    id uuid, state text, reason text, not_before timestamptz, digest_id uuid, send_id uuid, post_id uuid, content jsonb,
    left_at timestamptz
)
where delivery.id = decided.id;

-- name: open_posts
-- Messages that a channel is to show once: begun by these deliveries, unless others did so and did not fail.
insert into notification_posts as post (id, org_id, delivery_id, created_at, updated_at)
select id, org_id, delivery_id, :now, :now
from jsonb_to_recordset(:posts) as asked (id uuid, org_id uuid, delivery_id uuid)
order by id
on conflict (id) do update
set
    state = case post.state when 'failed' then 'open' else post.state end,
    reason = case when post.state <> 'failed' then post.reason end,
    delivery_id = case post.state when 'failed' then excluded.delivery_id else post.delivery_id end,
    updated_at = excluded.updated_at
returning id, delivery_id, state, reason;

-- name: claim_digests
-- Digests that are due, ours until the transaction ends; all of one person and channel together, so that they leave as one.
with first as materialized (
    select id, user_id, channel
    from notification_digests
    where state = 'open' and not_before <= :now
    order by not_before, id
    limit :limit
    for no key update skip locked
)
select digest.id, digest.org_id, digest.user_id, digest.channel, digest.leaves_at, digest.reason
from notification_digests digest
where digest.state = 'open' and digest.not_before <= :now
    and (digest.user_id, digest.channel) in (select user_id, channel from first)
order by digest.leaves_at desc, digest.id
for no key update skip locked;

-- name: lock_members
-- Against a preference that changes at this moment; waits for nobody, since who has a notification may wait for its digest.
select member.id
from notification_deliveries member
join notifications notification on notification.id = member.notification_id
where member.digest_id = any (:digests::uuid[]) and member.state = 'digest'
order by notification.id, member.id
for no key update of notification, member skip locked;

-- name: member_ids
-- What these digests hold, by the ids alone.
select id from notification_deliveries where digest_id = any (:digests::uuid[]) and state = 'digest' order by created_at, id;

-- name: members_of
-- What these digests hold, with everything that decides whether it still leaves.
select
    delivery.digest_id, delivery.id, delivery.org_id as delivery_org_id, delivery.user_id, delivery.channel, delivery.category,
    delivery.lane, delivery.reason, delivery.round, null::jsonb as content, delivery.created_at, notification.title, notification.message, notification.action_url,
    notification.event_key, notification.group_count, notification.expires_at, notification.unless_read_within, notification.withdrawn_for,
    notification.is_critical as is_notification_critical,
    notification.read_at is not null or notification.archived_at is not null as was_seen,
    setting.*,
    0 as left_this_hour, 0 as late
from notification_deliveries delivery
join notifications notification on notification.id = delivery.notification_id
cross join lateral notification_setting(delivery.user_id, delivery.category) setting
where delivery.digest_id = any (:digests::uuid[]) and delivery.state = any (:states::text[])
    and (cast(:only as uuid[]) is null or delivery.id = any (:only::uuid[]))
order by delivery.created_at, delivery.id;

-- name: record_digests
-- What became of each digest.
update notification_digests digest
set
    state = decided.state, reason = coalesce(decided.reason, digest.reason), not_before = coalesce(decided.not_before, digest.not_before),
    send_id = decided.send_id, lines = decided.lines, content = decided.content,
    left_at = decided.left_at, updated_at = :now
from jsonb_to_recordset(:decided) as decided (
    id uuid, state text, reason text, not_before timestamptz, send_id uuid, lines integer, content jsonb, left_at timestamptz
)
where digest.id = decided.id;

-- name: lock_settled
-- The notifications of these mails, before their deliveries.
select notification.id
from notifications notification
where notification.id in (
    select notification_id from notification_deliveries where id = any (:deliveries::uuid[])
    union
    select member.notification_id
    from notification_digests digest
    join notification_deliveries member on member.digest_id = digest.id
    where digest.id = any (:digests::uuid[])
)
order by notification.id
for no key update;

-- name: lock_settled_digests
-- The digests of these mails, behind their notifications.
select id from notification_digests where id = any (:digests::uuid[]) order by id for no key update;

-- name: settle
-- The fate of mails and text messages: of a delivery, or of a digest and of all that it held.
with fate as materialized (
    select * from jsonb_to_recordset(:fates) as fate (send_id uuid, delivery_id uuid, digest_id uuid, state text, reason text)
),
digests as (
    update notification_digests digest
    set
        state = fate.state, reason = coalesce(fate.reason, case when digest.state <> 'unknown' then digest.reason end),
        content = null, updated_at = :now
    from fate
    where digest.id = fate.digest_id and digest.state in ('queued', 'sending', 'unknown')
),
members as (
    update notification_deliveries delivery
    set
        state = fate.state, reason = coalesce(fate.reason, case when delivery.state <> 'unknown' then delivery.reason end),
        content = null, claimed_until = null, updated_at = :now
    from fate
    where delivery.digest_id = fate.digest_id and delivery.state in ('queued', 'sending', 'unknown')
)
update notification_deliveries delivery
set
    state = fate.state, reason = coalesce(fate.reason, case when delivery.state <> 'unknown' then delivery.reason end),
    content = null, claimed_until = null, updated_at = :now
from fate
where delivery.id = fate.delivery_id and delivery.state in ('queued', 'sending', 'unknown')
    -- An earlier round of the group may be settled late. A text message gets its id in its own ledger.
    and (
        delivery.send_id = fate.send_id
        or delivery.channel = 'sms' and exists (
            select
            from sms_sends message
            where message.id = fate.send_id and message.send_key = 'notification/' || delivery.id || '/' || delivery.round
        )
    );

-- name: missed_fates
-- Mails and text messages that are settled while what they were sent for still waits to hear of it.
select distinct message.id as send_id, message.status, message.reason, message.entity_type, message.entity_id
from notification_deliveries delivery
left join notification_digests digest on digest.id = delivery.digest_id
join lateral (
    select id, status, reason, entity_type, entity_id
    from email_sends
    where id = coalesce(digest.send_id, delivery.send_id)
    union all
    select id, status, reason, entity_type, entity_id
    from sms_sends
    where delivery.channel = 'sms' and send_key = 'notification/' || delivery.id || '/' || delivery.round
) message on true
where delivery.state in ('queued', 'sending', 'unknown') and delivery.updated_at < :before
    and message.status not in ('queued', 'sending') and (message.status <> 'unknown' or delivery.state <> 'unknown')
order by message.id
limit :limit;

-- name: free_stranded
-- Members of digests that are closed are asked again, each by itself.
with stranded as materialized (
    select delivery.id
    from notification_deliveries delivery
    join notification_digests digest on digest.id = delivery.digest_id
    where delivery.state = 'digest' and digest.state <> 'open' and delivery.updated_at < :before
    order by delivery.id
    for no key update of delivery skip locked
)
update notification_deliveries
set state = 'waiting', reason = 'left_digest', not_before = :now, digest_id = null, updated_at = :now
where id in (select id from stranded)
returning id;

-- name: remove_old
-- What was read or put away long ago; its key stays, so that the event is not told again.
with old as (
    select id
    from notifications notification
    where least(read_at, archived_at) < :before
        -- What is on its way, or unclear, stays until it is settled.
        and not exists (
            select
            from notification_deliveries delivery
            where delivery.notification_id = notification.id
                and delivery.state in ('waiting', 'digest', 'queued', 'sending', 'unknown')
        )
    order by least(read_at, archived_at)
    limit :limit
    for update skip locked
),
removed as (
    delete from notifications where id in (select id from old) returning id
),
digests as (
    delete from notification_digests digest
    where digest.state <> 'open' and digest.updated_at < :before
        and not exists (select from notification_deliveries member where member.digest_id = digest.id)
    returning id
),
posts as (
    delete from notification_posts where state <> 'open' and updated_at < :before
)
select (select count(*) from removed)::integer as notifications, (select count(*) from digests)::integer as digests;

-- name: zones
-- Every time zone that somebody's times are read by, with one of the people who have it.
select zone, min(user_id::text) as user_id
from (
    select quiet_hours_timezone as zone, user_id from notification_preferences where quiet_hours_timezone is not null
    union all
    select timezone, id from user_profiles where timezone is not null
) known
group by zone;

-- name: unreadable
-- What an incident says that it cannot be read; a row that is gone has no id.
select
    incident.subject, coalesce(delivery.id, digest.id) as id,
    case when delivery.id is not null then 'notification_delivery' when digest.id is not null then 'notification_digest' end as entity_type
from incidents incident
left join notification_deliveries delivery on delivery.id = try_uuid(incident.subject)
left join notification_digests digest on digest.id = try_uuid(incident.subject)
where incident.kind = 'notification_unreadable' and incident.closed_at is null and try_uuid(incident.subject) is not null
order by incident.opened_at
limit 100;
