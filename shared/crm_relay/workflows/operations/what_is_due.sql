-- name: what_is_due
-- The first look of every round: each part is a probe of an index.
select
    exists (
        select
        from workflow_executions run
        join workflows workflow on workflow.id = run.workflow_id
        where run.next_run_at <= :now and workflow.paused_at is null
    ) as runs,
    exists (
        select
        from workflow_executions run
        join workflow_webhooks hook on hook.id = run.waits_for_id
        where run.waits_for = 'webhook' and run.next_run_at is null and hook.state in ('delivered', 'failed', 'cancelled')
    ) or exists (
        select
        from entity_events event
        join workflow_executions run on run.waits_for = event.topic and run.waits_for_id = event.entity_id
        where event.kind = 'event' and event.occurred_at > cast(:now as timestamptz) - interval '15 minutes'
    ) as waits,
    exists (
        select from email_batches where purpose = :purpose and state in ('queued', 'sending') and not_before <= :now
    ) as mails,
    exists (select from workflow_webhooks where state in ('waiting', 'sending') and next_attempt_at <= :now) as webhooks,
    exists (select from entity_events where handled_at is null) as events,
    exists (select from workflow_schedules where next_at <= :now) as schedules,
    exists (select from changes_to_hear()) as listening;
