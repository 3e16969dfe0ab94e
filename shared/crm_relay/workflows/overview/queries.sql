-- name: count_runs
-- Runs of workflows, by their status.
select workflow_id, status, count(*)::integer as runs
from workflow_executions
where workflow_id = any (:ids::uuid[])
group by workflow_id, status;

-- name: list_runs
-- The newest runs of one workflow or of all: as many of each workflow and status as are shown at most, then the newest of those.
select
    run.id, run.workflow_id, workflow.name as workflow_name, run.version, run.entity_type, run.entity_id, run.status, run.trigger_type,
    run.steps_done, run.total_steps, run.waits_for, run.next_run_at, run.retry_count, run.max_retries, run.error_message as error,
    run.created_at, run.started_at, run.completed_at, run.paused_at
from workflows workflow
cross join unnest(:statuses::text[]) as wanted (status)
cross join lateral (
    select *
    from workflow_executions
    where workflow_id = workflow.id and status = wanted.status
    order by created_at desc, id
    limit :limit
) run
where (cast(:workflow as uuid) is null or workflow.id = :workflow) and (cast(:org as uuid) is null or workflow.org_id = :org)
order by run.created_at desc, run.id
limit :limit;

-- name: runs_of_record
-- The newest runs for one record.
select
    run.id, run.workflow_id, workflow.name as workflow_name, run.version, run.entity_type, run.entity_id, run.status, run.trigger_type,
    run.steps_done, run.total_steps, run.waits_for, run.next_run_at, run.retry_count, run.max_retries, run.error_message as error,
    run.created_at, run.started_at, run.completed_at, run.paused_at
from workflow_executions run
join workflows workflow on workflow.id = run.workflow_id
where run.entity_type = :entity_type and run.entity_id = :entity_id and run.status = any (:statuses::text[])
    and (cast(:workflow as uuid) is null or workflow.id = :workflow) and (cast(:org as uuid) is null or run.org_id = :org)
order by run.created_at desc, run.id
limit :limit;

-- name: show_run
-- One run, and why it was started.
select
    run.id, run.workflow_id, workflow.name as workflow_name, run.version, run.entity_type, run.entity_id, run.status, run.trigger_type,
    run.steps_done, run.total_steps, run.waits_for, run.next_run_at, run.retry_count, run.max_retries, run.error_message as error,
    run.created_at, run.started_at, run.completed_at, run.paused_at, decision.verdict, decision.explanation, decision.decided_at,
    run.trigger_event as event, run.triggered_by, run.depth
from workflow_executions run
join workflows workflow on workflow.id = run.workflow_id
left join lateral (
    select verdict, explanation, decided_at
    from workflow_start_decisions
    where entity_type = run.entity_type and entity_id = run.entity_id and execution_id = run.id
    order by id desc
    limit 1
) decision on true
where run.id = :id;

-- name: steps_of_run
-- Steps in the order in which they were taken, the newest ones where there are too many.
select
    id, position, step_key as key, step_type as type, step_name as name, status, step_config as config, started_at, completed_at,
    wait_until, wait_condition ->> 'waits_for' as waits_for, result, error_message as error
from workflow_steps
where execution_id = :id
order by position desc
limit :limit;

-- name: actions_of_run
-- Effects of the steps, each with its mail and its request.
select
    action.id, action.step_id, action.action_type as type, action.status, action.result, action.error_message as error,
    action.error_code, action.completed_at, mail.id as send_id, mail.status as mail_status, mail.reason as mail_reason,
    mail.created_at as mail_queued_at, mail.sent_at as mail_left_at, hook.id as webhook_id, hook.host, hook.state as webhook_state,
    hook.attempts, hook.status_code, hook.reason as webhook_reason,
    case when hook.state in ('waiting', 'sending') then hook.next_attempt_at end as next_attempt_at
from workflow_actions action
left join email_sends mail on action.action_type = 'send_email' and mail.send_key = 'workflow:' || action.id::text
left join lateral (
    select *
    from workflow_webhooks
    where action.action_type = 'webhook' and execution_id = action.execution_id and action_id = action.id
    limit 1
) hook on true
where action.execution_id = :id and action.step_id = any (:steps::uuid[])
order by action.created_at, action.id;

-- name: notifications_of_run
-- Who was notified by actions, and what became of it on each channel; `id` null: it joined a group, or was removed since.
select
    action.id as action_id, notice.id, person.id as user_id,
    coalesce((
        select jsonb_object_agg(delivery.channel, delivery.state || coalesce(' (' || delivery.reason || ')', ''))
        from notification_deliveries delivery
        where delivery.notification_id = notice.id
    ), '{}') as channels
from workflow_actions action
join workflow_executions run on run.id = action.execution_id
join user_profiles person on person.org_id = run.org_id
join notification_keys known on known.user_id = person.id and known.event_key = 'workflow:' || action.id::text
left join lateral (
    select id
    from notifications
    where user_id = person.id and event_key = known.event_key
        and created_at between action.created_at - interval '1 hour' and action.created_at + interval '1 hour'
    limit 1
) notice on true
where action.execution_id = :id and action.action_type in ('send_notification', 'escalate') and action.step_id = any (:steps::uuid[])
order by action.id, person.id;

-- name: logs_of_run
-- The newest lines of the log of a run.
select step_id, level, message, data, occurred_at
from workflow_execution_logs
where execution_id = :id
order by occurred_at desc, id
limit :limit;

-- name: workflows_for_record
-- Every workflow of the organization with its active version, those about such records first, and where this record is in each.
select
    workflow.id as workflow_id, workflow.name, workflow.entity_type as draft_entity_type, workflow.org_id, workflow.is_active,
    workflow.paused_at, workflow.paused_reason, active.version, active.entity_type, active.starts_from, instance.id as instance_id,
    instance.last_started_at, pace.next_free_at,
    coalesce((
        select array_agg(run.id order by run.created_at, run.id)
        from workflow_executions run
        where run.instance_id = instance.id
            and (run.status in ('pending', 'running', 'paused') or run.status = 'failed' and run.next_run_at is not null)
    ), '{}') as open_runs
from workflows workflow
left join workflow_versions active on active.workflow_id = workflow.id and active.is_active
left join workflow_instances instance on instance.workflow_id = workflow.id and instance.entity_type = :entity_type
    and instance.entity_id = :entity_id
left join workflow_pace pace on pace.workflow_id = workflow.id
where workflow.org_id = :org and workflow.deleted_at is null and (cast(:workflow as uuid) is null or workflow.id = :workflow)
order by coalesce(active.entity_type, workflow.entity_type) = :entity_type desc, workflow.name, workflow.id
limit :limit;

-- name: decisions_for_record
-- The newest decisions of each workflow about the record, with the events that they are about.
select
    decision.workflow_id, decision.decided_at, decision.verdict, decision.reason, decision.explanation, decision.version,
    decision.event_id, event.topic, event.kind, event.changed, event.payload, event.occurred_at, event.origin, decision.execution_id,
    run.status as run_status
from (
    select *, row_number() over (partition by workflow_id order by id desc) as place
    from workflow_start_decisions
    where entity_type = :entity_type and entity_id = :entity_id
) decision
left join entity_events event on event.id = decision.event_id
left join workflow_executions run on run.id = decision.execution_id
where decision.place <= :limit
order by decision.workflow_id, decision.id desc;

-- name: waiting_events
-- What happened to the record and is not handled yet.
select org_id, kind, topic, changed
from entity_events
where entity_type = :entity_type and entity_id = :entity_id and handled_at is null
order by id
limit :limit;

-- name: organization_of_record
-- Whose a record was that is gone: what was decided about it says so.
select org_id
from workflow_start_decisions
where entity_type = :entity_type and entity_id = :entity_id
order by id desc
limit 1;
