-- name: wake_without_approver
-- Runs that wait for somebody who has left meanwhile: the engine asks somebody else. What somebody has locked wakes with the next look.
with left_out as (
    select distinct approval.execution_id as id
    from workflow_approvals approval
    left join user_profiles approver on approver.id = approval.approver_id and approver.org_id = approval.org_id
    where approval.status = 'pending' and (approver.id is null or not approver.is_active)
),
free as materialized (
    select id
    from workflow_executions
    where id in (select id from left_out) and status = 'running' and waits_for = 'approval' and next_run_at > cast(:now as timestamptz)
    order by id
    for no key update skip locked
)
update workflow_executions run set next_run_at = :now, updated_at = :now from free where run.id = free.id
returning run.id;

-- name: end_orphaned
-- Approvals of steps that wait no more, such as those of a run that SQL has ended; each with a line in the log.
with free as materialized (
    select run.id
    from workflow_executions run
    where run.id in (
        select approval.execution_id
        from workflow_approvals approval
        join workflow_steps step on step.id = approval.step_id and step.step_type = 'approval'
        join workflow_executions asking on asking.id = approval.execution_id
        where approval.status = 'pending' and (
            step.status <> 'waiting' or asking.waits_for is distinct from 'approval' or asking.status not in ('running', 'paused')
        )
    )
    order by run.id
    for no key update skip locked
),
ended as (
    update workflow_approvals approval
    set status = 'expired', ended_for = 'run_over', updated_at = :now
    from free
    join workflow_executions run on run.id = free.id
    join workflow_steps step on step.execution_id = run.id and step.step_type = 'approval'
    where approval.execution_id = free.id and approval.step_id = step.id and approval.status = 'pending' and (
        step.status <> 'waiting' or run.waits_for is distinct from 'approval' or run.status not in ('running', 'paused')
    )
    returning approval.id, approval.execution_id, approval.step_id, approval.approver_id
),
line as (
    insert into workflow_execution_logs (execution_id, step_id, level, message, data, occurred_at)
    select execution_id, step_id, 'info', 'approval over: run_over', jsonb_build_object('approval_id', id, 'approver', approver_id), :now
    from ended
)
select id from ended;

-- name: end_approvals
-- What runs asked for that an operator or an erasure has ended; who calls has locked them.
with ended as (
    update workflow_approvals
    set status = 'expired', ended_for = :reason, updated_at = :now
    where execution_id = any (:runs::uuid[]) and status = 'pending'
    returning id, execution_id, step_id, approver_id
),
line as (
    insert into workflow_execution_logs (execution_id, step_id, level, message, data, occurred_at)
    select
        execution_id, step_id, 'info', 'approval over: ' || cast(:reason as text),
        jsonb_build_object('approval_id', id, 'approver', approver_id), :now
    from ended
)
select id from ended;

-- name: decidable_again
-- Incidents of runs that wait for no approval any more.
select incident.subject
from incidents incident
left join workflow_executions run on run.id::text = incident.subject
where incident.kind = 'workflow_approval_undecidable' and incident.closed_at is null and incident.told_closed_at is null
    and (run.id is null or run.waits_for is distinct from 'approval' or run.status not in ('running', 'paused'));
