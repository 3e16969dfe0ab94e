-- name: open_deliveries
-- What has not left yet, by channel, state and reason; counted up to the limit.
select channel, state, reason, count(*)::integer as deliveries, min(not_before) as next_at
from (
    select channel, state, reason, not_before
    from notification_deliveries
    where state in ('waiting', 'digest')
    limit :limit
) waiting
group by channel, state, reason
order by channel, state, reason;

-- name: recent_deliveries
-- What became of those of the last day, by channel, state and reason; the newest up to the limit.
select channel, state, reason, count(*)::integer as deliveries
from (
    select channel, state, reason
    from notification_deliveries
    where created_at > :since and state not in ('waiting', 'digest')
    order by created_at desc
    limit :limit
) recent
group by channel, state, reason
order by channel, state, reason;

-- name: troubled_deliveries
-- What failed, and what nobody knows the fate of, however long ago; counted up to the limit.
select channel, state, count(*)::integer as deliveries, max(updated_at) as newest_at
from (
    select channel, state, updated_at from notification_deliveries where state in ('failed', 'unknown') limit :limit
) troubled
group by channel, state
order by channel, state;

-- name: list_deliveries
-- Single deliveries, the newest first, without a word of what they say.
select
    delivery.id, delivery.notification_id, delivery.user_id, delivery.channel, delivery.category, delivery.lane, delivery.state,
    delivery.reason, delivery.not_before, delivery.left_at, delivery.created_at, notification.template_slug, notification.is_critical,
    notification.read_at
from notification_deliveries delivery
join notifications notification on notification.id = delivery.notification_id
where (cast(:user_id as uuid) is null or delivery.user_id = :user_id)
    and (cast(:channel as text) is null or delivery.channel = :channel)
    and (cast(:state as text) is null or delivery.state = :state)
order by delivery.created_at desc, delivery.id
limit :limit;
