-- name: order_backfill
-- One that is not completed stands in the way of another one of its workflow.
insert into workflow_backfills (
    id, org_id, workflow_id, version, entity_type, ordered_by, not_before, created_at, updated_at
)
values (:id, :org, :workflow, :version, :entity_type, :who, :now, :now, :now)
on conflict (workflow_id) where state <> 'completed' do nothing
returning id;

-- name: steer_backfill
-- Stops the open one of a workflow, or lets it go on with the version that is active now.
with found as materialized (
    select id, org_id, state from workflow_backfills where workflow_id = :workflow and state <> 'completed' for no key update
),
changed as (
    update workflow_backfills backfill
    set state = :state, reason = cast(:reason as text), version = coalesce(cast(:version as integer), backfill.version),
        not_before = :now, updated_at = :now
    from found
    where backfill.id = found.id and found.state <> :state
    returning backfill.id
),
history as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select org_id, 'workflow', cast(:workflow as uuid), 'backfill_' || :state, :now, jsonb_build_object('by', cast(:who as text))
    from found
    where id in (select id from changed)
)
select id, id in (select id from changed) as changed from found;

-- name: end_backfill
-- The rest of it is given up, so that another one can be ordered.
update workflow_backfills
set state = 'completed', reason = 'given_up', completed_at = :now, updated_at = :now
where workflow_id = :workflow and state <> 'completed'
returning id;

-- name: list_backfills
-- How far each backfill of a workflow has come, the newest first.
select
    id, workflow_id, version, state, reason, looked_at, started, refused, had_runs, failed, ordered_by, not_before, created_at,
    completed_at
from workflow_backfills
where workflow_id = :workflow
order by created_at desc, id
limit :limit;

-- name: due_backfill
-- One that is due and that nobody is at, any of them.
select id from workflow_backfills
where state = 'running' and not_before <= :now
order by random()
limit 1
for no key update skip locked;

-- name: hold_backfill
-- Where it is, locked; nothing where somebody else has it or it is not due any more.
select
    backfill.id, backfill.workflow_id, backfill.version, backfill.org_id, backfill.entity_type, backfill.after_id, backfill.ordered_by,
    active.version as active_version,
    exists (
        select from workflows workflow where workflow.id = backfill.workflow_id and (workflow.paused_at is not null or workflow.deleted_at is not null)
    ) as is_held,
    (select next_free_at from workflow_pace where workflow_id = backfill.workflow_id) as next_free_at
from workflow_backfills backfill
left join workflow_versions active on active.workflow_id = backfill.workflow_id and active.is_active
where backfill.id = :id and backfill.state = 'running' and backfill.not_before <= :now
for no key update of backfill skip locked;

-- name: started_before
-- Records for which the workflow was started before, by whatever it was.
select entity_id
from workflow_instances
where workflow_id = :workflow and entity_type = :entity_type and entity_id = any (:ids::uuid[]) and last_started_at is not null;

-- name: move_backfill
-- Records up to `after_id` have what becomes of them.
update workflow_backfills
set after_id = coalesce(:after_id, after_id), state = :state, reason = cast(:reason as text), not_before = :not_before,
    looked_at = looked_at + :looked_at, started = started + :started, refused = refused + :refused,
    had_runs = had_runs + :had_runs, failed = failed + :failed, updated_at = :now,
    completed_at = case when :state = 'completed' then cast(:now as timestamptz) end
where id = :id;
