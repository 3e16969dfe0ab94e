-- name: remove_logs
-- Lines of the log that are older than they are kept.
with old as materialized (
    select id from workflow_execution_logs where occurred_at < :before limit :limit for update skip locked
),
gone as (
    delete from workflow_execution_logs using old where workflow_execution_logs.id = old.id returning 1
)
select count(*)::integer as removed from gone;

-- name: remove_decisions
-- Why something started a workflow or did not, as long as the events that it is about.
with old as materialized (
    select id from workflow_start_decisions where decided_at < :before order by decided_at limit :limit for update skip locked
),
gone as (
    delete from workflow_start_decisions using old where workflow_start_decisions.id = old.id returning 1
)
select count(*)::integer as removed from gone;

-- name: remove_runs
-- Runs that were over long ago, with their steps, actions, lines and requests; none of which anything is still to be sent.
with old as materialized (
    select run.id
    from workflow_executions run
    where run.completed_at < :before and run.status in ('completed', 'failed', 'cancelled') and run.next_run_at is null
        and not exists (
            select from workflow_webhooks hook where hook.execution_id = run.id and hook.state in ('waiting', 'sending')
        )
        and not exists (
            select
            from workflow_actions action
            join email_sends mail on mail.send_key = 'workflow:' || action.id
            where action.execution_id = run.id and action.action_type = 'send_email' and mail.status in ('queued', 'sending')
        )
    order by run.completed_at
    limit :limit
    for update of run skip locked
),
gone as (
    delete from workflow_executions using old where workflow_executions.id = old.id returning 1
)
select count(*)::integer as removed from gone;

-- name: remove_backfills
-- Backfills that were completed long ago; one that was stopped may still go on.
with old as materialized (
    select id
    from workflow_backfills
    where state = 'completed' and coalesce(completed_at, updated_at) < :before
    order by id
    limit :limit
    for update skip locked
),
gone as (
    delete from workflow_backfills using old where workflow_backfills.id = old.id returning 1
)
select count(*)::integer as removed from gone;

-- name: remove_spent
-- What was counted against the budgets of days that are over.
with old as materialized (
    select workflow_id, day, kind
    from workflow_effects
    where day < cast(:before as timestamptz)::date
    limit :limit
    for update skip locked
),
gone as (
    delete from workflow_effects spent using old
    where (spent.workflow_id, spent.day, spent.kind) = (old.workflow_id, old.day, old.kind)
    returning 1
)
select count(*)::integer as removed from gone;
