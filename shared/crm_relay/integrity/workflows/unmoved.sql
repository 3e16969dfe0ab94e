-- name: contradicting_workflows
-- Steps without their effect, runs that nothing moves, leases that have died, events that nobody handles, and columns without a trigger.
with lately as materialized (
    select action.id, action.execution_id, action.action_type, action.result
    from workflow_actions action
    where action.status = 'completed' and action.created_at < :settled_before
        and action.created_at > cast(:settled_before as timestamptz) - interval '7 days'
),
wrong as (
    select 'workflow_actions' as entity, lately.id::text, 'its activity is missing' as what, lately.action_type::text as state, null as other
    from lately
    where lately.action_type in ('create_task', 'create_activity')
        and not exists (select from activities where activities.id = uuid_or_null(lately.result ->> 'activity_id'))
    union all
    select 'workflow_actions', lately.id::text, 'its mail is not in the ledger', lately.action_type, null
    from lately
    where lately.action_type = 'send_email'
        and not exists (select from email_sends mail where mail.send_key = 'workflow:' || lately.id)
    union all
    select 'workflow_actions', lately.id::text, 'its notification is missing', lately.action_type, null
    from lately
    where lately.action_type in ('send_notification', 'escalate')
        and not exists (select from notification_keys known where known.event_key = 'workflow:' || lately.id)
    union all
    select 'workflow_actions', lately.id::text, 'its request was not delivered', lately.action_type, coalesce(hook.state, 'missing')
    from lately
    left join workflow_webhooks hook on hook.action_id = lately.id
    where lately.action_type = 'webhook' and (hook.id is null or hook.is_awaited and hook.state <> 'delivered')
    union all
    select 'workflow_executions', run.id::text, 'due for more than an hour', run.status, run.entity_type
    from workflow_executions run
    join workflows workflow on workflow.id = run.workflow_id
    where run.next_run_at < :settled_before and workflow.paused_at is null
        and not exists (
            select
            from incidents
            where incidents.kind = 'workflow_run_refused' and incidents.subject = run.id::text and incidents.closed_at is null
        )
    union all
    select 'workflow_executions', run.id::text, 'waits for nothing', run.status, run.waits_for
    from workflow_executions run
    left join workflow_webhooks hook on run.waits_for = 'webhook' and hook.id = run.waits_for_id
    where run.status = 'running' and run.next_run_at is null and run.updated_at < :settled_before
        and (
            run.waits_for is null or run.waits_for in ('time', 'approval')
            or run.waits_for = 'webhook' and (hook.id is null or hook.state not in ('waiting', 'sending'))
        )
    union all
    select 'workflow_executions', run.id::text, 'waits for an approval that nobody can decide', run.status, run.entity_type
    from workflow_executions run
    join workflow_steps step on step.execution_id = run.id and step.status = 'waiting' and step.step_type = 'approval'
    where run.status = 'running' and run.waits_for = 'approval' and step.started_at < :settled_before
        and not exists (
            select
            from workflow_approvals approval
            join user_profiles approver on approver.id = approval.approver_id and approver.org_id = approval.org_id and approver.is_active
            where approval.execution_id = run.id and approval.step_id = step.id and approval.status = 'pending'
        )
    union all
    select 'workflow_approvals', approval.id::text, 'pending though no run waits for it', run.status, run.waits_for
    from workflow_approvals approval
    join workflow_steps step on step.id = approval.step_id and step.step_type = 'approval'
    join workflow_executions run on run.id = approval.execution_id
    where approval.status = 'pending' and run.updated_at < :settled_before and approval.updated_at < :settled_before
        and (step.status <> 'waiting' or run.waits_for is distinct from 'approval' or run.status not in ('running', 'paused'))
    union all
    select 'workflow_executions', run.id::text, 'queued behind nothing', run.status, run.entity_type
    from workflow_executions run
    where run.status = 'pending' and run.next_run_at is null and run.waits_for is null and run.updated_at < :settled_before
        and not exists (
            select
            from workflow_executions before
            where before.instance_id = run.instance_id and before.id <> run.id
                and (before.next_run_at is not null or before.waits_for is not null or before.status in ('running', 'paused'))
        )
    union all
    select 'workflow_webhooks', hook.id::text, 'its lease has died', hook.state, hook.attempts::text
    from workflow_webhooks hook
    where hook.state = 'sending' and hook.leased_until < :settled_before
    union all
    select
        'entity_events', min(event.id)::text, 'not handled for more than an hour', event.entity_type || ' ' || event.topic,
        count(*)::text
    from entity_events event
    where event.handled_at is null and event.occurred_at < :settled_before
        and (event.not_before is null or event.not_before < :settled_before)
    group by event.org_id, event.entity_type, event.topic
    union all
    select 'workflow_backfills', backfill.id::text, 'not moved for more than an hour', backfill.state, backfill.looked_at::text
    from workflow_backfills backfill
    join workflows workflow on workflow.id = backfill.workflow_id and workflow.paused_at is null and workflow.deleted_at is null
    where backfill.state = 'running' and backfill.not_before < :settled_before and backfill.updated_at < :settled_before
    union all
    select
        'workflow_listeners', coalesce(listener.workflow_id::text, 'watched') || ' ' || listener.topic, 'no trigger for what it listens to',
        listener.entity_type, case changed.tgenabled when 'D' then 'disabled' end
    from workflow_listeners listener
    join unnest(:entity_types::text[], :tables::text[]) as known (entity_type, relation) on known.entity_type = listener.entity_type
    left join pg_trigger changed on changed.tgrelid = to_regclass(known.relation)
        and changed.tgname = case listener.topic when '+' then 'workflow_created' else 'workflow_changed' end
    where listener.topic not like 'event:%' and (
        changed.oid is null or changed.tgenabled = 'D'
        or listener.topic <> '+'
            and not listener.topic = any (string_to_array(encode(changed.tgargs, 'escape'), '\000'))
    )
)
select wrong.*, count(*) over () as total
from wrong
order by entity, id, what
limit :limit;
