-- name: wake_waiting
-- Runs whose event has come lately, and whose webhook was answered; what somebody has locked wakes with the next look.
with come as (
    select run.id
    from entity_events event
    join workflow_executions run on run.waits_for = event.topic and run.waits_for_id = event.entity_id
    where event.kind = 'event' and event.occurred_at > cast(:since as timestamptz) and run.status = 'running'
        and event.occurred_at >= greatest(run.created_at, run.started_at - interval '5 seconds') and (run.next_run_at is null or run.next_run_at > :now)
        -- It has been looked at since, and what came is not what it waits for.
        and event.occurred_at > run.updated_at - interval '1 minute'
    union
    select run.id
    from workflow_executions run
    join workflow_webhooks hook on hook.id = run.waits_for_id
    where run.waits_for = 'webhook' and run.next_run_at is null and run.status = 'running'
        and hook.state in ('delivered', 'failed', 'cancelled')
),
free as materialized (
    select id from workflow_executions where id in (select id from come) order by id for no key update skip locked
)
update workflow_executions run
set next_run_at = :now, updated_at = :now
from free
where run.id = free.id
returning run.id;

-- name: repair_runs
-- What would never move again.
-- A queued run with nothing before it, one that waits for nothing or for what is gone, runs of a deleted workflow, and what SQL
-- has ended or paused with a time or a wait that holds up others.
with queued as (
    select distinct on (run.instance_id) run.id
    from workflow_executions run
    where run.status = 'pending' and run.next_run_at is null and run.waits_for is null
        and not exists (
            select
            from workflow_executions before
            where before.instance_id = run.instance_id and before.id <> run.id
                and (before.next_run_at is not null or before.waits_for is not null or before.status in ('running', 'paused'))
        )
    order by run.instance_id, run.created_at, run.id
),
stuck as (
    select id from workflow_executions
    where status = 'running' and next_run_at is null and (waits_for is null or waits_for in ('time', 'approval'))
),
answered as (
    select run.id
    from workflow_executions run
    left join workflow_webhooks hook on hook.id = run.waits_for_id
    where run.waits_for = 'webhook' and run.next_run_at is null and run.status = 'running'
        and (hook.id is null or hook.state in ('delivered', 'failed', 'cancelled'))
),
happened as (
    select distinct run.id
    from workflow_executions run
    join entity_events event on event.entity_id = run.waits_for_id and event.topic = run.waits_for
    where run.waits_for like 'event:%' and run.status = 'running' and (run.next_run_at is null or run.next_run_at > :now)
        and event.entity_type in ('contact', run.entity_type) and event.occurred_at >= greatest(run.created_at, run.started_at - interval '5 seconds')
),
due as materialized (
    select id, 'released' as why from queued
    union all select id, 'stuck' from stuck
    union all select id, 'answered' from answered
    union all select id, 'happened' from happened
),
gone as materialized (
    select run.id
    from workflow_executions run
    join workflows workflow on workflow.id = run.workflow_id
    where workflow.deleted_at is not null
        and (run.status in ('pending', 'running', 'paused') or run.status = 'failed' and run.next_run_at is not null)
),
halted as materialized (
    select id
    from workflow_executions
    where status in ('completed', 'cancelled', 'paused') and next_run_at is not null
        or status in ('completed', 'cancelled') and waits_for is not null
),
free as materialized (
    select id
    from workflow_executions
    where id in (select id from due union select id from gone union select id from halted)
    order by id
    for no key update skip locked
),
woken as (
    update workflow_executions run
    set next_run_at = :now, updated_at = :now
    from free
    where run.id = free.id and run.id in (select id from due) and run.id not in (select id from gone)
    returning run.id
),
ended as (
    update workflow_executions run
    set status = 'cancelled', error_message = 'workflow_deleted', next_run_at = null, next_retry_at = null, waits_for = null,
        waits_for_id = null, due_before_pause = null, completed_at = :now, updated_at = :now
    from free
    where run.id = free.id and run.id in (select id from gone)
    returning run.id
),
stopped as (
    update workflow_executions run
    set next_run_at = null, next_retry_at = null,
        due_before_pause = case run.status when 'paused' then coalesce(run.due_before_pause, run.next_run_at) end,
        waits_for = case run.status when 'paused' then run.waits_for end,
        waits_for_id = case run.status when 'paused' then run.waits_for_id end,
        completed_at = case run.status when 'paused' then run.completed_at else coalesce(run.completed_at, :now) end,
        updated_at = :now
    from free
    where run.id = free.id and run.id in (select id from halted) and run.id not in (select id from gone)
    returning run.id, run.status
),
step as (
    update workflow_steps step
    set status = 'skipped', completed_at = :now, result = coalesce(step.result, '{}') || '{"reason": "cancelled"}'
    where step.status = 'waiting'
        and step.execution_id in (select id from ended union select id from stopped where status <> 'paused')
)
select
    count(*) filter (where due.why = 'released')::integer as released, count(*) filter (where due.why = 'stuck')::integer as stuck,
    count(*) filter (where due.why = 'answered')::integer as answered, count(*) filter (where due.why = 'happened')::integer as happened,
    (select count(*)::integer from ended) as ended, (select count(*)::integer from stopped) as stopped
from woken
left join due on due.id = woken.id;
