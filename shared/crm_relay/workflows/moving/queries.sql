-- name: target_version
-- The version to which runs go, and what it does.
select version.version, version.org_id, version.entity_type, version.program, workflow.name
from workflow_versions version
join workflows workflow on workflow.id = version.workflow_id and workflow.deleted_at is null
where version.workflow_id = :workflow and version.is_active;

-- name: runs_elsewhere
-- How many runs of other versions are at which step, and some of them.
select
    run.version, coalesce(run.current_step_index, 0) as place, run.waits_for is not null as is_waiting, count(*)::integer as runs,
    (array_agg(run.id order by run.created_at, run.id))[1:20] as some
from workflow_executions run
where run.workflow_id = :workflow and run.version is distinct from :version
    and (run.status in ('pending', 'running', 'paused') or run.status = 'failed')
    and (cast(:only as uuid[]) is null or run.id = any (cast(:only as uuid[])))
group by run.version, coalesce(run.current_step_index, 0), run.waits_for is not null
order by run.version, place, is_waiting;

-- name: read_programs
-- What the versions do.
select version, program from workflow_versions where workflow_id = :workflow and version = any (:versions::integer[]);

-- name: lock_instances
-- A page of the records with runs of other versions, before the runs; a batch that is being taken is waited for.
select instance.id
from workflow_instances instance
where instance.id in (
        select distinct run.instance_id
        from workflow_executions run
        where run.workflow_id = :workflow and run.version is distinct from :version
            and (run.status in ('pending', 'running', 'paused') or run.status = 'failed')
            and (cast(:only as uuid[]) is null or run.id = any (cast(:only as uuid[])))
            and (cast(:after as uuid) is null or run.instance_id > cast(:after as uuid))
        order by run.instance_id
        limit :limit
    )
order by instance.id
for no key update;

-- name: lock_runs
-- The runs of these records that are of other versions, as the worker that had them has left them.
select
    run.id, run.org_id, run.version, run.entity_type, run.entity_id, run.instance_id, run.status, run.next_run_at, run.waits_for,
    run.due_before_pause, coalesce(run.current_step_index, 0) as place, run.steps_done, run.trigger_event, waiting.id as wait_step_id,
    waiting.position as wait_position, waiting.started_at as wait_since, waiting.wait_until
from workflow_executions run
left join lateral (
    select step.id, step.position, step.started_at, step.wait_until
    from workflow_steps step
    where step.execution_id = run.id and step.status = 'waiting'
    order by step.position desc
    limit 1
) waiting on run.waits_for is not null
where run.workflow_id = :workflow and run.version is distinct from :version
    and (run.status in ('pending', 'running', 'paused') or run.status = 'failed')
    and (cast(:only as uuid[]) is null or run.id = any (cast(:only as uuid[]))) and run.instance_id = any (:instances::uuid[])
order by run.id
for no key update of run;

-- name: move_runs
-- Each goes on in the new version where it is, with a line of who did it; a wait that was changed has its new time.
with given as materialized (
    select *
    from :runs as given (
        id uuid, place integer, former integer, next_run_at timestamptz, due_before_pause timestamptz, waits_for text, waits_for_id uuid,
        wait_step_id uuid, wait_until timestamptz, step text, former_step text
    )
),
line as (
    insert into workflow_execution_logs (execution_id, level, message, data, occurred_at)
    select
        id, 'info', 'run moved',
        jsonb_strip_nulls(jsonb_build_object(
            'by', cast(:who as text), 'from_version', former, 'to_version', cast(:version as integer), 'from_step', former_step,
            'to_step', step, 'wait_until', wait_until
        )),
        :now
    from given
),
wait as (
    update workflow_steps step
    set wait_until = given.wait_until, wait_condition = jsonb_build_object('waits_for', given.waits_for)
    from given
    where step.id = given.wait_step_id and step.status = 'waiting'
)
update workflow_executions run
set version = :version, current_step_index = given.place, total_steps = :total, next_run_at = given.next_run_at,
    due_before_pause = given.due_before_pause, waits_for = given.waits_for, waits_for_id = coalesce(given.waits_for_id, run.waits_for_id),
    updated_at = :now
from given
where run.id = given.id;
