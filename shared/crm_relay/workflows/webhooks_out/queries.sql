-- name: look
-- One look: whether anything may have to leave, and whether a host has been silent for long.
select
    exists (
        select from workflow_webhooks where state in ('waiting', 'sending') and next_attempt_at <= :now
    ) as is_due,
    exists (
        select
        from workflow_webhook_hosts known
        where known.failures >= :open_after
            and exists (
                select
                from workflow_webhooks webhook
                where webhook.org_id = known.org_id and webhook.host = known.host and webhook.state in ('waiting', 'sending')
            )
    ) as has_silent_host;

-- name: cancel_of_cancelled_runs
-- What a run that was cancelled had left to send; a request that is under way is recorded first.
with ended as (
    select webhook.id
    from workflow_webhooks webhook
    join workflow_executions run on run.id = webhook.execution_id
    where webhook.state in ('waiting', 'sending') and webhook.next_attempt_at <= :now and run.status = 'cancelled'
        and (webhook.state = 'waiting' or webhook.leased_until <= clock_timestamp())
    order by webhook.id
    limit :limit
    for no key update of webhook skip locked
)
update workflow_webhooks webhook
set state = 'cancelled', reason = 'run_cancelled', fence = webhook.fence + 1, leased_until = null, updated_at = :now
from ended
where webhook.id = ended.id
returning webhook.id;

-- name: claim
-- What is due, ours for the time of a lease: organizations take turns, and in each its hosts; without those that rest.
with recursive lines as (
    -- One probe of the index an organization and host, however much waits for it.
    (
        select org_id, host
        from workflow_webhooks
        where state in ('waiting', 'sending')
        order by org_id, host
        limit 1
    )
    union all
    select next.org_id, next.host
    from lines
    cross join lateral (
        select webhook.org_id, webhook.host
        from workflow_webhooks webhook
        where webhook.state in ('waiting', 'sending') and (webhook.org_id, webhook.host) > (lines.org_id, lines.host)
        order by webhook.org_id, webhook.host
        limit 1
    ) next
),
open_lines as materialized (
    select
        lines.org_id, lines.host,
        -- A host that has failed is asked by one request at a time.
        case when coalesce(known.failures, 0) >= :open_after then 1 else cast(:per_host as integer) end - busy.requests as room
    from lines
    left join workflow_webhook_hosts known on known.org_id = lines.org_id and known.host = lines.host
    cross join lateral (
        select count(*)::integer as requests
        from workflow_webhooks webhook
        where webhook.org_id = lines.org_id and webhook.host = lines.host and webhook.state = 'sending'
            and webhook.leased_until > clock_timestamp()
    ) busy
    where known.rests_until is null or known.rests_until <= :now
),
due as (
    select
        line.org_id, found.id, found.next_attempt_at,
        row_number() over (partition by line.org_id, line.host order by found.next_attempt_at, found.id) as place
    from open_lines line
    cross join lateral (
        select webhook.id, webhook.next_attempt_at
        from workflow_webhooks webhook
        join workflow_executions run on run.id = webhook.execution_id
        left join workflows workflow on workflow.id = run.workflow_id
        where webhook.org_id = line.org_id and webhook.host = line.host
            and webhook.state in ('waiting', 'sending') and webhook.next_attempt_at <= :now
            and (webhook.state = 'waiting' or webhook.leased_until <= clock_timestamp())
            and run.status not in ('paused', 'cancelled') and workflow.paused_at is null
        order by webhook.next_attempt_at, webhook.id
        limit greatest(line.room, 0)
    ) found
),
chosen as materialized (
    select due.id
    from (
        select due.*, row_number() over (partition by org_id order by place, next_attempt_at, id) as turn
        from due
    ) due
    order by due.turn, due.next_attempt_at, due.id
    limit :limit
),
ours as materialized (
    select webhook.id
    from workflow_webhooks webhook
    where webhook.id in (select id from chosen) and webhook.state in ('waiting', 'sending')
        and (webhook.state = 'waiting' or webhook.leased_until <= clock_timestamp())
    order by webhook.id
    for no key update skip locked
)
update workflow_webhooks webhook
set
    state = 'sending', fence = webhook.fence + 1, attempts = webhook.attempts + 1,
    leased_until = clock_timestamp() + cast(:lease as interval), updated_at = :now
from ours
where webhook.id = ours.id
returning
    webhook.id, webhook.org_id, webhook.host, webhook.url, webhook.method, webhook.headers, webhook.secret_ref, webhook.body,
    webhook.attempts, webhook.fence;

-- name: claim_expired
-- What has waited too long for a host that does not answer, ours to be failed.
with old as materialized (
    select webhook.id
    from workflow_webhook_hosts known
    join workflow_webhooks webhook on webhook.org_id = known.org_id and webhook.host = known.host
    where known.failures >= :open_after and webhook.state in ('waiting', 'sending')
        and coalesce(webhook.gives_up_at, webhook.created_at + cast(:patience as interval)) <= :now
),
ours as materialized (
    select webhook.id
    from old
    join workflow_webhooks webhook on webhook.id = old.id
    join workflow_executions run on run.id = webhook.execution_id
    left join workflows workflow on workflow.id = run.workflow_id
    where webhook.state in ('waiting', 'sending') and (webhook.state = 'waiting' or webhook.leased_until <= clock_timestamp())
        and run.status not in ('paused', 'cancelled') and workflow.paused_at is null
    order by webhook.id
    limit :limit
    for no key update of webhook skip locked
)
update workflow_webhooks webhook
set
    state = 'sending', fence = webhook.fence + 1, leased_until = clock_timestamp() + cast(:lease as interval),
    updated_at = :now
from ours
where webhook.id = ours.id
returning
    webhook.id, webhook.org_id, webhook.host, webhook.url, webhook.method, webhook.headers, webhook.secret_ref, webhook.body,
    webhook.attempts, webhook.fence;

-- name: lock_runs
-- The runs of these webhooks, before anything of theirs is recorded.
select run.id
from workflow_executions run
where run.id in (select execution_id from workflow_webhooks where id = any (:ids::uuid[]))
order by run.id
for no key update;

-- name: lock_hosts
-- How the hosts of these webhooks have answered, before it is counted on.
select known.org_id, known.host, known.failures, known.rests_until
from workflow_webhook_hosts known
where (known.org_id, known.host) in (select org_id, host from :lines as line (org_id uuid, host text))
order by known.org_id, known.host
for no key update;

-- name: record_outcomes
-- Each outcome counts where the lease is still ours; its action, its log and the run that waits for it with it.
with outcome as materialized (
    select *
    from jsonb_to_recordset(:outcomes) as outcome (
        id uuid, fence bigint, state text, reason text, status_code integer, next_attempt_at timestamptz, level text, message text
    )
),
recorded as (
    update workflow_webhooks webhook
    set
        state = outcome.state, reason = outcome.reason, status_code = outcome.status_code,
        next_attempt_at = coalesce(outcome.next_attempt_at, webhook.next_attempt_at), leased_until = null, updated_at = :now
    from outcome
    where webhook.id = outcome.id and webhook.fence = outcome.fence
    returning
        webhook.id, webhook.execution_id, webhook.action_id, webhook.state, webhook.reason, webhook.status_code, webhook.attempts,
        webhook.is_awaited, webhook.host, outcome.level, outcome.message
),
acted as (
    update workflow_actions action
    set
        status = case recorded.state when 'delivered' then 'completed' else 'failed' end, completed_at = :now,
        error_message = case recorded.state when 'failed' then recorded.message end,
        error_code = case recorded.state when 'failed' then left(recorded.reason, 50) end,
        retry_count = greatest(recorded.attempts - 1, 0),
        result = coalesce(action.result, '{}') || jsonb_build_object('status_code', recorded.status_code, 'attempts', recorded.attempts)
    from recorded
    where action.id = recorded.action_id and recorded.state in ('delivered', 'failed')
),
logged as (
    insert into workflow_execution_logs (execution_id, step_id, action_id, level, message, data, occurred_at)
    select
        recorded.execution_id, action.step_id, action.id, recorded.level, recorded.message,
        jsonb_build_object(
            'webhook_id', recorded.id, 'host', recorded.host, 'attempt', recorded.attempts, 'status_code', recorded.status_code,
            'reason', recorded.reason
        ),
        :now
    from recorded
    left join workflow_actions action on action.id = recorded.action_id
),
settled as (
    -- A paused run goes on when it is resumed.
    update workflow_executions run
    set
        next_run_at = case run.status when 'paused' then run.next_run_at else :now end,
        due_before_pause = case run.status when 'paused' then :now else run.due_before_pause end, updated_at = :now
    from recorded
    where run.waits_for = 'webhook' and run.waits_for_id = recorded.id and run.id = recorded.execution_id
        and recorded.state in ('delivered', 'failed') and run.status in ('pending', 'running', 'paused')
)
select id, state, is_awaited from recorded;

-- name: save_hosts
-- How the hosts have answered now.
insert into workflow_webhook_hosts (org_id, host, failures, rests_until, updated_at)
select line.org_id, line.host, line.failures, line.rests_until, :now
from :lines as line (org_id uuid, host text, failures integer, rests_until timestamptz)
on conflict (org_id, host) do update
set failures = excluded.failures, rests_until = excluded.rests_until, updated_at = excluded.updated_at;

-- name: settle_missed
-- Runs that wait for a webhook whose outcome is there already are due: what a retry or a restored database may leave.
with missed as (
    select run.id
    from workflow_executions run
    left join workflow_webhooks webhook on webhook.id = run.waits_for_id
    where run.waits_for = 'webhook' and run.status in ('pending', 'running') and run.next_run_at is null
        and (webhook.id is null or webhook.state not in ('waiting', 'sending'))
    order by run.id
    limit :limit
    for no key update of run skip locked
)
update workflow_executions run
set next_run_at = :now, updated_at = :now
from missed
where run.id = missed.id
returning run.id;

-- name: cancel_of_runs
-- What these runs have left to send never leaves. A request that is under way is recorded, and not repeated.
with ended as (
    select id
    from workflow_webhooks
    where execution_id = any (:executions::uuid[])
        and (state = 'waiting' or state = 'sending' and leased_until <= clock_timestamp())
    order by id
    for no key update
)
update workflow_webhooks webhook
set state = 'cancelled', reason = 'run_cancelled', fence = webhook.fence + 1, leased_until = null, updated_at = :now
from ended
where webhook.id = ended.id
returning webhook.id;

-- name: find_webhook
-- One webhook with its run, which is locked first.
select
    webhook.id, webhook.state, webhook.is_awaited, run.status as run_status,
    run.waits_for = 'webhook' and run.waits_for_id = webhook.id as is_waited_for
from workflow_executions run
join workflow_webhooks webhook on webhook.execution_id = run.id
where webhook.id = :id and (cast(:org as uuid) is null or webhook.org_id = :org)
for no key update of run;

-- name: retry
-- Due at once and with all its attempts, under the same id; of one that was erased nothing is left to send.
update workflow_webhooks
set
    state = 'waiting', attempts = 0, reason = null, status_code = null, next_attempt_at = :now, leased_until = null,
    gives_up_at = cast(:now as timestamptz) + cast(:patience as interval), fence = fence + 1, updated_at = :now
where id = :id and state in ('waiting', 'failed', 'cancelled') and reason is distinct from 'erased'
returning id;

-- name: cancel
-- It never leaves; a run that waits for it is due, and finds out.
with ended as (
    update workflow_webhooks
    set state = 'cancelled', reason = 'cancelled', fence = fence + 1, leased_until = null, updated_at = :now
    where id = :id and (state in ('waiting', 'failed') or state = 'sending' and leased_until <= clock_timestamp())
    returning id, execution_id
),
settled as (
    update workflow_executions run
    set
        next_run_at = case run.status when 'paused' then run.next_run_at else :now end,
        due_before_pause = case run.status when 'paused' then :now else run.due_before_pause end, updated_at = :now
    from ended
    where run.id = ended.execution_id and run.waits_for = 'webhook' and run.waits_for_id = ended.id
        and run.status in ('pending', 'running', 'paused')
)
select id from ended;

-- name: list_webhooks
-- For an operator, the newest first; without what may be secret or personal.
select
    webhook.id, webhook.org_id, run.workflow_id, webhook.execution_id, webhook.host, webhook.method, webhook.state,
    webhook.is_awaited, webhook.attempts, webhook.status_code, webhook.reason,
    case when webhook.state in ('waiting', 'sending') then webhook.next_attempt_at end as next_attempt_at,
    case when webhook.state = 'waiting' and known.rests_until > :now then known.rests_until end as host_rests_until,
    webhook.created_at, webhook.updated_at
from workflow_webhooks webhook
join workflow_executions run on run.id = webhook.execution_id
left join workflow_webhook_hosts known on known.org_id = webhook.org_id and known.host = webhook.host
where (cast(:org as uuid) is null or webhook.org_id = :org)
    and (cast(:execution as uuid) is null or webhook.execution_id = :execution)
    and (cast(:states as text[]) is null or webhook.state = any (cast(:states as text[])))
order by webhook.created_at desc, webhook.id
limit :limit;
