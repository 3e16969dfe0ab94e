-- name: lock_unclear
-- The notifications of posts that a worker began and never ended.
select notification.id
from notifications notification
where notification.id in (
    select notification_id
    from notification_deliveries delivery
    where channel = 'slack'
        and (
            state = 'sending' and claimed_until <= :now
            or state = 'queued' and not_before is not null and not exists (
                select
                from notification_slack_webhooks webhook
                where webhook.id = uuid_or_null(delivery.content ->> 'webhook_id') and webhook.disabled_at is null
            )
        )
    union
    select member.notification_id
    from notification_digests digest
    join notification_deliveries member on member.digest_id = digest.id
    where digest.channel = 'slack'
        and (
            digest.state = 'sending' and digest.claimed_until <= :now
            or digest.state = 'queued' and not exists (
                select
                from notification_slack_webhooks webhook
                where webhook.id = uuid_or_null(digest.content ->> 'webhook_id') and webhook.disabled_at is null
            )
        )
)
order by notification.id
for no key update;

-- name: park_unclear
-- A post that was cut off may stand in the channel: never again. One whose webhook is gone cannot be made.
with unclear as materialized (
    select id
    from notification_digests digest
    where channel = 'slack'
        and (
            state = 'sending' and claimed_until <= :now
            or state = 'queued' and not exists (
                select
                from notification_slack_webhooks webhook
                where webhook.id = uuid_or_null(digest.content ->> 'webhook_id') and webhook.disabled_at is null
            )
        )
    order by id
    for no key update
),
digests as (
    update notification_digests
    set
        state = case state when 'sending' then 'unknown' else 'failed' end,
        reason = case state when 'sending' then 'unclear' else 'no_address' end, content = null, updated_at = :now
    where id in (select id from unclear)
    returning id, state, reason
),
members as (
    update notification_deliveries delivery
    set state = digests.state, reason = digests.reason, content = null, updated_at = :now
    from digests
    where delivery.digest_id = digests.id and delivery.state = 'queued'
),
alone as (
    update notification_deliveries
    set
        state = case state when 'sending' then 'unknown' else 'failed' end,
        reason = case state when 'sending' then 'unclear' else 'no_address' end, content = null, updated_at = :now,
        -- The channel does not show the event: somebody else's delivery of it may.
        send_id = case state when 'sending' then send_id end
    where channel = 'slack' and digest_id is null
        and (
            state = 'sending' and claimed_until <= :now
            or state = 'queued' and not_before is not null and not exists (
                select
                from notification_slack_webhooks webhook
                where webhook.id = uuid_or_null(content ->> 'webhook_id') and webhook.disabled_at is null
            )
        )
    returning id, state
)
select id, state from digests
union all
select id, state from alone;

-- name: claim_post
-- The next message for a channel that had none within the second, ours until `claimed_until`.
with hook as materialized (
    select webhook.id, webhook.webhook_url
    from notification_slack_webhooks webhook
    join lateral (
        select least(
            (
                select min(delivery.lane * interval '100 years' + delivery.not_before)
                from notification_deliveries delivery
                where delivery.channel = 'slack' and delivery.state = 'queued' and delivery.digest_id is null
                    and delivery.not_before <= :now and uuid_or_null(delivery.content ->> 'webhook_id') = webhook.id
            ),
            (
                select min(3 * interval '100 years' + digest.not_before)
                from notification_digests digest
                where digest.channel = 'slack' and digest.state = 'queued' and digest.not_before <= :now
                    and uuid_or_null(digest.content ->> 'webhook_id') = webhook.id
            )
        ) as first
    ) due on due.first is not null
    where webhook.disabled_at is null and coalesce(webhook.rests_until, '-infinity') <= :now
    order by due.first, webhook.id
    limit 1
    for no key update of webhook skip locked
),
next as (
    select message.*
    from (
        select delivery.id, false as is_digest, delivery.lane, delivery.not_before, delivery.content, delivery.post_id
        from notification_deliveries delivery, hook
        where delivery.channel = 'slack' and delivery.state = 'queued' and delivery.digest_id is null
            and delivery.not_before <= :now and uuid_or_null(delivery.content ->> 'webhook_id') = hook.id
        union all
        select digest.id, true, 3, digest.not_before, digest.content, null
        from notification_digests digest, hook
        where digest.channel = 'slack' and digest.state = 'queued' and digest.not_before <= :now
            and uuid_or_null(digest.content ->> 'webhook_id') = hook.id
    ) message
    order by message.lane, message.not_before, message.id
    limit 1
),
delivery as (
    update notification_deliveries
    set state = 'sending', claimed_until = :claimed_until, attempts = attempts + 1, updated_at = :now
    where id = (select id from next where not is_digest) and state = 'queued'
    returning id, attempts
),
digest as (
    update notification_digests
    set state = 'sending', claimed_until = :claimed_until, attempts = attempts + 1, updated_at = :now
    where id = (select id from next where is_digest) and state = 'queued'
    returning id, attempts
),
post as (
    update notification_posts
    set claimed_until = :claimed_until, updated_at = :now
    where id = (select post_id from next) and state = 'open'
),
rest as (
    update notification_slack_webhooks
    set rests_until = cast(:now as timestamptz) + interval '1 second'
    where id = (select id from hook)
)
select next.id, next.is_digest, next.content, hook.id as webhook_id, hook.webhook_url, claimed.attempts
from next
cross join hook
join (select * from delivery union all select * from digest) claimed on claimed.id = next.id;

-- name: next_post_at
-- When a channel of Slack takes the next message that is due.
select min(greatest(webhook.rests_until, :now)) as at
from notification_slack_webhooks webhook
where webhook.disabled_at is null
    and (
        exists (
            select
            from notification_deliveries delivery
            where delivery.channel = 'slack' and delivery.state = 'queued' and delivery.not_before <= :now
                and uuid_or_null(delivery.content ->> 'webhook_id') = webhook.id
        )
        or exists (
            select
            from notification_digests digest
            where digest.channel = 'slack' and digest.state = 'queued' and digest.not_before <= :now
                and uuid_or_null(digest.content ->> 'webhook_id') = webhook.id
        )
    );

-- name: lock_post
-- The notifications of a message, before what is recorded of it.
select notification.id
from notifications notification
where notification.id in (select notification_id from notification_deliveries where id = :id or digest_id = :id)
order by notification.id
for no key update;

-- name: record_post
-- What became of a message; one that surely did not arrive is due again.
with digest as (
    update notification_digests
    set
        state = :state, reason = coalesce(:reason, reason), not_before = coalesce(cast(:not_before as timestamptz), not_before),
        content = case when cast(:state as text) = 'queued' then content end, claimed_until = null, updated_at = :now
    where id = :id and state = 'sending'
    returning id
),
post as (
    update notification_posts
    set claimed_until = null, updated_at = :now
    where cast(:state as text) = 'queued' and state = 'open'
        and id = (select post_id from notification_deliveries where id = :id and state = 'sending')
)
update notification_deliveries delivery
set
    state = :state, reason = coalesce(:reason, delivery.reason),
    not_before = coalesce(cast(:not_before as timestamptz), delivery.not_before),
    content = case when cast(:state as text) = 'queued' then delivery.content end, claimed_until = null, updated_at = :now,
    send_id = case when cast(:state as text) <> 'failed' then delivery.send_id end
where delivery.id = :id and delivery.state = 'sending'
    or delivery.digest_id = (select id from digest) and delivery.state = 'queued';

-- name: end_posts
-- Messages whose delivery has ended take its outcome; of one whose delivery is gone it depends on whether it was begun.
with ended as materialized (
    select
        post.id, carrier.id is null as is_gone,
        case
            when carrier.id is not null then case when carrier.state in ('sent', 'unknown') then carrier.state else 'failed' end
            when post.claimed_until is null then 'failed'
            else 'unknown'
        end as state,
        case
            when carrier.id is not null then nullif(carrier.reason, 'carrier_removed')
            when post.claimed_until is null then 'carrier_removed'
            else 'unclear'
        end as reason
    from notification_posts post
    left join notification_deliveries carrier on carrier.id = post.delivery_id and carrier.post_id = post.id
    where post.state = 'open'
        and (
            carrier.state not in ('queued', 'sending')
            or carrier.id is null and coalesce(post.claimed_until, '-infinity') <= :now
        )
    order by post.id
    for no key update of post skip locked
)
update notification_posts post
set state = ended.state, reason = ended.reason, claimed_until = null, updated_at = :now
from ended
where post.id = ended.id
returning post.id, post.state, ended.is_gone;

-- name: share_outcomes
-- What another delivery carried the message of ends as that one did, or is asked again where the other was removed before.
with sharing as materialized (
    select delivery.id, post.state, post.reason
    from notification_deliveries delivery
    join notifications notification on notification.id = delivery.notification_id
    join notification_posts post on post.id = delivery.post_id
    where delivery.channel = 'slack' and delivery.state = 'queued' and delivery.not_before is null and post.state <> 'open'
    order by notification.id, delivery.id
    for no key update of notification, delivery skip locked
)
update notification_deliveries delivery
set
    state = case when sharing.reason = 'carrier_removed' then 'waiting' else sharing.state end,
    reason = case when sharing.state = 'sent' then 'same_channel' else sharing.reason end,
    not_before = case when sharing.reason = 'carrier_removed' then cast(:now as timestamptz) end,
    content = null, updated_at = :now
from sharing
where delivery.id = sharing.id
returning delivery.id, delivery.state;

-- name: rest_webhook
-- Slack asks for a rest.
update notification_slack_webhooks set rests_until = :until where id = :id;

-- name: disable_webhook
-- Slack knows the address no more: nobody is sent anything there until it is replaced.
update notification_slack_webhooks set disabled_at = :now, disabled_reason = :reason where id = :id and disabled_at is null;

-- name: unknown_message
-- What a delivery, a digest or a message to Slack of an unknown fate is: its channel, and its id in a ledger.
select channel, ledger_id
from (
    select
        delivery.channel,
        case delivery.channel
            when 'email' then coalesce(digest.send_id, delivery.send_id)
            when 'sms' then (select id from sms_sends where send_key = 'notification/' || delivery.id || '/' || delivery.round)
        end as ledger_id
    from notification_deliveries delivery
    left join notification_digests digest on digest.id = delivery.digest_id
    where delivery.state = 'unknown' and :id in (delivery.id, delivery.digest_id, delivery.post_id)
    union all
    select channel, send_id from notification_digests where state = 'unknown' and id = :id
    union all
    select 'slack', null from notification_posts where state = 'unknown' and id = :id
) message
limit 1;

-- name: lock_unknown_post
-- The notifications of an unclear message to Slack, with those that share it.
select notification.id
from notifications notification
where notification.id in (
    select delivery.notification_id
    from notification_deliveries delivery
    where delivery.channel = 'slack' and delivery.state = 'unknown'
        and (
            :id in (delivery.id, delivery.digest_id, delivery.post_id)
            or delivery.post_id = (select post_id from notification_deliveries where id = :id)
        )
)
order by notification.id
for no key update;

-- name: settle_unknown_post
-- What an operator found in the channel; one that does not stand there may be posted for the next person.
with message as materialized (
    select :id as id, (select post_id from notification_deliveries where id = :id) as post_id
),
posts as (
    update notification_posts post
    set state = :state, reason = :reason, updated_at = :now
    from message
    where post.state = 'unknown' and post.id in (message.id, message.post_id)
),
digests as (
    update notification_digests digest
    set state = :state, reason = :reason, updated_at = :now
    from message
    where digest.state = 'unknown' and digest.channel = 'slack' and digest.id = message.id
)
update notification_deliveries delivery
set
    state = :state, reason = :reason, updated_at = :now,
    send_id = case when cast(:state as text) <> 'failed' then delivery.send_id end
from message
where delivery.state = 'unknown' and delivery.channel = 'slack'
    and (message.id in (delivery.id, delivery.digest_id, delivery.post_id) or delivery.post_id = message.post_id)
returning delivery.id, delivery.post_id, delivery.digest_id, delivery.org_id;

-- name: note_settled
-- Who said so, in the history.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
values (:org_id, 'message', :id, :change, :now, jsonb_build_object('by', cast(:who as text), 'messages', 1));

-- name: unknown_posts
-- Messages to Slack of an unknown fate, the newest first: alone, or as digests.
select id, user_id, org_id, digest_id, left_at, updated_at
from (
    select distinct on (coalesce(delivery.digest_id, delivery.post_id, delivery.id))
        coalesce(delivery.digest_id, delivery.post_id, delivery.id) as id, delivery.user_id, delivery.org_id, delivery.digest_id,
        delivery.left_at, delivery.updated_at
    from notification_deliveries delivery
    where delivery.state = 'unknown' and delivery.channel = 'slack'
    order by coalesce(delivery.digest_id, delivery.post_id, delivery.id), delivery.id
) message
order by updated_at desc, id
limit :limit;
