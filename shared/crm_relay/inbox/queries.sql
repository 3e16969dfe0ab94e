-- name: keep_delivery
-- Raw and once. It counts as applied at once, because its effects commit with it or not at all; no row: it was before.
insert into webhook_inbox (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
values (:source, :workspace_name, :dedupe_key, :headers, :body, :received_at, clock_timestamp(), 1)
on conflict (source, dedupe_key) do update
    set applied_at = excluded.applied_at, attempts = webhook_inbox.attempts + 1, error = null
    where webhook_inbox.applied_at is null
returning id;

-- name: keep_failed_task
-- A message that the deferred queue gave up; one that failed again after a replay is open again.
insert into failed_tasks (source, task_key, payload, error)
values (:source, :task_key, :payload, :error)
on conflict (source, task_key) do update
    set payload = excluded.payload, failed_at = now(), replayed_at = null, error = excluded.error;

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
limit :at_most;

-- name: unapplied_deliveries
-- To be sent to the deferred queue again, a page at a time.
select id, source, workspace_name, headers, body, object_key, dedupe_key, received_at
from webhook_inbox
where applied_at is null and id > :after
order by id
limit :at_most;

-- name: open_failed_tasks
-- To be sent to the deferred queue again, a page at a time.
select id, payload
from failed_tasks
where replayed_at is null and id > :after
order by id
limit :at_most;

-- name: mark_replayed
-- Only what the queue has accepted.
update failed_tasks set replayed_at = now() where id = any (cast(:ids as bigint[]));
