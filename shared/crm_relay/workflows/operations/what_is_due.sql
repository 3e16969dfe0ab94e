-- name: what_is_due
-- The first look of every round, by the database's clock where none is given: each part is a probe of an index.
with present as materialized (
    select coalesce(cast(:now as timestamptz), statement_timestamp()) as now
)
select
    (select now from present) as looked_at,
    exists (
        select
        from workflows workflow
        cross join lateral (
            select
            from workflow_executions run
            where run.workflow_id = workflow.id and run.next_run_at <= (select now from present) and run.status in ('pending', 'running', 'failed')
            limit 1
        ) due
        where workflow.paused_at is null and workflow.deleted_at is null
    ) as runs,
    exists (
        select
        from workflow_executions run
        join workflow_webhooks hook on hook.id = run.waits_for_id
        where run.waits_for = 'webhook' and run.next_run_at is null and run.status = 'running' and hook.state in ('delivered', 'failed', 'cancelled')
    ) or exists (
        select
        from entity_events event
        join workflow_executions run on run.waits_for = event.topic and run.waits_for_id = event.entity_id
        where event.kind = 'event' and run.status = 'running' and event.occurred_at > (select now from present) - interval '15 minutes'
    ) as waits,
    exists (
        select from email_batches where purpose = :purpose and state in ('queued', 'sending') and not_before <= (select now from present)
    ) as mails,
    exists (select from workflow_webhooks where state in ('waiting', 'sending') and next_attempt_at <= (select now from present)) as webhooks,
    exists (select from entity_events where handled_at is null) as events,
    exists (select from workflow_schedules where next_at <= (select now from present)) as schedules,
    exists (
        select from workflow_backfills where state = 'running' and not_before <= (select now from present)
    ) as backfills,
    exists (select from changes_to_hear()) as listening;
