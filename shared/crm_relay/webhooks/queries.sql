-- name: keep_deliveries
-- Raw and once. They count as applied at once, because their effects commit with them or not at all; no row: it was before.
insert into webhook_inbox (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
values :deliveries as delivery (
    source text, workspace_name text, dedupe_key text, headers jsonb, body text, received_at timestamptz, applied_at timestamptz,
    attempts integer
)
on conflict (source, dedupe_key) do update
    set applied_at = excluded.applied_at, attempts = webhook_inbox.attempts + 1, error = null
    where webhook_inbox.applied_at is null
returning id, dedupe_key, (select erased_among(:marks::text[])) as erased;

-- name: keep_delivery
-- The same for a single delivery, with a kept plan.
select id, cast(:dedupe_key as text) as dedupe_key, erased
from keep_delivery(
    :source, :workspace_name, :dedupe_key, :headers, :body, :received_at, cast(:marks as text[])
)
where id is not null;

-- name: set_aside
-- Refused for a reason that may be gone one day: they are among what waits.
update webhook_inbox delivery
set applied_at = null, error = refused.reason
from :refused as refused (id bigint, reason text)
where delivery.id = refused.id;

-- name: keep_failed_task
-- A message that the deferred queue gave up; one that failed again after a replay is open again.
insert into failed_tasks (source, task_key, payload, error)
values (:source, :task_key, :payload, :error)
on conflict (source, task_key) do update
    set payload = excluded.payload, failed_at = clock_timestamp(), replayed_at = null, error = excluded.error;

-- name: list_deferred
-- What came in and has had no effect yet, without its content.
select 'inbox' as kept_in, id, source, received_at as since, attempts, error
from webhook_inbox
where applied_at is null
union all
select 'failed_tasks', id, source, failed_at, null, error
from failed_tasks
where replayed_at is null
order by since, id
limit :limit;

-- name: unapplied_deliveries
-- To be sent to the deferred queue again, a page at a time.
select id, source, workspace_name, headers, body, object_key, dedupe_key, received_at
from webhook_inbox
where applied_at is null and id > :after
order by id
limit :limit;

-- name: open_failed_tasks
-- To be sent to the deferred queue again, a page at a time.
select id, payload, failed_at
from failed_tasks
where replayed_at is null and id > :after
order by id
limit :limit;

-- name: mark_replayed
-- Only what the queue has accepted. A message that failed again before this line has a newer failed_at, and stays open.
update failed_tasks task
set replayed_at = now()
from jsonb_to_recordset(:tasks) as sent (id bigint, failed_at timestamptz)
where task.id = sent.id and task.failed_at = sent.failed_at;

-- name: delivery_mentioning
-- Whether what somebody has just sent as a test came in: its text is found in no other delivery.
select received_at
from webhook_inbox
where source = :source and received_at >= :since and position(cast(:text as text) in body) > 0
order by received_at
limit 1;

-- name: suspect_deliveries
-- A stretch of the inbox at a time, so that no statement is long; lower() costs less than a pattern without case.
with stretch as materialized (
    select id from webhook_inbox where id > :after order by id limit :window
),
suspect as materialized (
    select id, source, workspace_name, body
    from webhook_inbox
    where id > :after and id <= (select max(id) from stretch) and lower(body) like any (:needles::text[])
    order by id
    limit :limit
)
select
    case when (select count(*) from suspect) = :limit then (select max(id) from suspect) else (select max(id) from stretch) end
        as last_id,
    suspect.id,
    suspect.source,
    suspect.workspace_name,
    suspect.body
from (select) as one_row_at_least
left join suspect on true
order by suspect.id;

-- name: latest_suspects
-- The newest stretch alone, so that a question is answered at once; it says how far it looked.
with stretch as materialized (
    select id, received_at from webhook_inbox order by id desc limit :window
),
suspect as materialized (
    select id, source, received_at, applied_at, attempts, error, redacted_at, body
    from webhook_inbox
    cross join lateral (select lower(body) as written offset 0) lowered
    where id >= (select min(id) from stretch)
        -- On large bodies several times as quick as patterns are.
        and exists (select from unnest(:needles::text[]) as needle where position(needle in written) > 0)
    order by id desc
    limit :limit
),
reach as (
    -- Full of suspects, it looked no further back than the last one of them.
    select case when (select count(*) from suspect) = :limit then (select min(id) from suspect) else min(id) end as first_id
    from stretch
)
select
    (select count(*) from stretch where id >= first_id)::integer as looked_at,
    (select min(received_at) from stretch where id >= first_id) as since,
    exists (select from webhook_inbox where id < first_id) as has_older,
    suspect.*
from reach
left join suspect on true
order by suspect.id desc;

-- name: latest_failed_tasks
-- Whom a message is about stands in base64 within base64: each has to be taken out to be looked into.
select id, source, failed_at, replayed_at, error, redacted_at, payload, (select count(*) from failed_tasks)::integer as kept
from failed_tasks
order by id desc
limit :limit;

-- name: redact_deliveries
-- One that waits gets its new identity, or is done with where nothing is left of it to apply.
update webhook_inbox delivery
set
    body = change.body,
    redacted_at = clock_timestamp(),
    dedupe_key = case when delivery.applied_at is null and not change.is_empty then change.dedupe_key else delivery.dedupe_key end,
    applied_at = case when change.is_empty then coalesce(delivery.applied_at, clock_timestamp()) else delivery.applied_at end
from jsonb_to_recordset(:changes) as change (id bigint, body text, dedupe_key text, is_empty boolean)
where delivery.id = change.id;

-- name: failed_tasks
-- Everything that was given up, open or not, for anyone who has to look into each of them.
select id, payload from failed_tasks where id > :after order by id limit :limit;

-- name: redact_failed_tasks
-- The message as it is without the person; its name stays, so that it is not kept a second time.
update failed_tasks task
set payload = change.payload, redacted_at = clock_timestamp()
from jsonb_to_recordset(:changes) as change (id bigint, payload text)
where task.id = change.id;

-- name: erased_among
-- Whether a text that is about to be stored speaks of somebody who was erased.
select erased_among(:marks::text[]) as erased;

-- name: old_deliveries
-- What was applied and is past its time, oldest first; a large body may still lie in the bucket as well.
select
    id,
    case when octet_length(body) > :larger_than then source end as source,
    case when octet_length(body) > :larger_than then dedupe_key end as dedupe_key,
    object_key
from webhook_inbox
where applied_at is not null and received_at < :before
order by received_at
limit :limit;

-- name: delete_deliveries
-- Past their time. One that was opened again in the meantime stays.
delete from webhook_inbox where id = any (:ids::bigint[]) and applied_at is not null;

-- name: last_received
-- When a delivery of this source last arrived, as far as the inbox goes back.
select max(received_at) as last_received from webhook_inbox where source = :source;
