-- name: runs_of_workflow
-- Those of one workflow that can be changed so.
select id
from workflow_executions
where workflow_id = :workflow_id
    and status = any (:states::text[]) and (cast(:error as text) is null or error_message = :error)
order by created_at, id
limit :limit;

-- name: failed_runs
-- Failed runs by step and error, with some of them: what a retry of many would let go on.
select
    run.workflow_id, workflow.name as workflow_name, step.step_key as step, run.error_message as error, count(*)::integer as runs,
    min(run.updated_at) as first_at, max(run.updated_at) as last_at, (array_agg(run.id order by run.updated_at desc, run.id))[1:10] as some
from workflow_executions run
join workflows workflow on workflow.id = run.workflow_id
left join lateral (
    select step_key from workflow_steps where execution_id = run.id and status = 'failed' order by position desc limit 1
) step on true
where run.status = 'failed' and (cast(:workflow as uuid) is null or run.workflow_id = :workflow)
    and (cast(:org as uuid) is null or run.org_id = :org)
group by run.workflow_id, workflow.name, step.step_key, run.error_message
order by count(*) desc, workflow.name, step.step_key, run.error_message
limit :limit;

-- name: lock_instances
-- The records of runs that are retried, before the runs: nobody starts another run of theirs meanwhile.
select instance.id
from workflow_instances instance
where instance.id in (select instance_id from workflow_executions where id = any (:ids::uuid[]))
order by instance.id
for no key update;

-- name: lock_runs
-- Runs that an operator changes; a batch that has them is waited for.
select
    run.id, run.instance_id, run.status, run.started_at, run.next_run_at, run.due_before_pause, run.waits_for,
    version.program -> 'settings' ->> 're_entry' as re_entry,
    exists (
        select
        from workflow_executions other
        where other.instance_id = run.instance_id and other.id <> run.id
            and (other.status in ('pending', 'running', 'paused') or other.status = 'failed' and other.next_run_at is not null)
    ) as has_other_run,
    exists (
        select from incidents where kind = 'workflow_run_refused' and subject = run.id::text and closed_at is null
    ) as is_refused
from workflow_executions run
left join workflow_versions version on version.workflow_id = run.workflow_id and version.version = run.version
where run.id = any (:ids::uuid[]) and (cast(:org_id as uuid) is null or run.org_id = :org_id)
order by run.id
for no key update of run;

-- name: change_runs
-- What an operator decided, with a line in the log of each. One that is cancelled sends nothing more, and lets the next one begin.
with given as materialized (
    select *
    from :runs as given (
        id uuid, instance_id uuid, status text, next_run_at timestamptz, due_before_pause timestamptz, paused_at timestamptz,
        is_cancelled boolean
    )
),
line as (
    insert into workflow_execution_logs (execution_id, level, message, data, occurred_at)
    select id, 'info', :message, jsonb_build_object('by', cast(:who as text)), :now from given
),
step as (
    update workflow_steps step
    set status = 'skipped', completed_at = :now, result = coalesce(step.result, '{}') || '{"reason": "cancelled"}'
    from given
    where given.is_cancelled and step.execution_id = given.id and step.status = 'waiting'
),
hook as (
    update workflow_webhooks hook
    set state = 'cancelled', reason = 'cancelled', updated_at = :now
    from given
    where given.is_cancelled and hook.execution_id = given.id and hook.state = 'waiting'
),
released as (
    update workflow_executions queued
    set next_run_at = :now, updated_at = :now
    from given
    where given.is_cancelled and queued.id = (
        select behind.id
        from workflow_executions behind
        where behind.instance_id = given.instance_id and behind.status = 'pending' and behind.next_run_at is null
            and behind.waits_for is null and behind.id not in (select id from given)
        order by behind.created_at, behind.id
        limit 1
    )
)
update workflow_executions run
set status = given.status, next_run_at = given.next_run_at, due_before_pause = given.due_before_pause, paused_at = given.paused_at,
    error_message = case when given.status = 'paused' then run.error_message end,
    retry_count = case when given.status = 'paused' then run.retry_count else 0 end, next_retry_at = null,
    completed_at = case when given.is_cancelled then cast(:now as timestamptz) end,
    waits_for = case when not given.is_cancelled then run.waits_for end,
    waits_for_id = case when not given.is_cancelled then run.waits_for_id end,
    updated_at = :now
from given
where run.id = given.id;

-- name: pause_workflow
-- Its runs are not claimed, and its mail waits; who did it stands in the history.
with found as materialized (
    -- One that its budget has paused lets its mail leave.
    select id, org_id, paused_at is null or paused_reason = 'over_budget' as changed
    from workflows
    where id = :id and deleted_at is null
    for no key update
),
paused as (
    update workflows set paused_at = coalesce(paused_at, :now), paused_reason = :reason, updated_at = :now
    where id in (select id from found where changed)
),
history as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select org_id, 'workflow', id, 'paused', :now, jsonb_build_object('by', cast(:who as text), 'reason', cast(:reason as text))
    from found
    where changed
)
select changed from found;

-- name: resume_workflow
-- What is due goes on, with a budget of its own for the rest of the day.
with found as materialized (
    select id, org_id, paused_at is not null as changed, paused_reason from workflows where id = :id and deleted_at is null for no key update
),
resumed as (
    update workflows set paused_at = null, paused_reason = null, updated_at = :now where id in (select id from found where changed)
),
budget as (
    delete from workflow_effects where workflow_id in (select id from found where changed and paused_reason = 'over_budget')
),
history as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select org_id, 'workflow', id, 'resumed', :now, jsonb_build_object('by', cast(:who as text), 'paused_for', paused_reason)
    from found
    where changed
)
select changed from found;
