-- name: lock_run
-- The run of an approval, before anything about it is read: a decision and the engine take turns.
select run.id
from workflow_executions run
where run.id = (select execution_id from workflow_approvals where id = :approval)
for no key update of run;

-- name: read_decision
-- Behind the lock: the approval, those of the same step, and its run with the owner of its record, by the database's clock.
select
    coalesce(cast(:now as timestamptz), clock_timestamp()) as now, run.status as run_status, workflow.deleted_at is not null as is_gone,
    record.owner_id, approval.id, approval.execution_id, approval.step_id, approval.org_id, approval.approver_id, approval.status,
    coalesce(approval.sequence_order, 1) as stage, approval.entries, approval.approver_type, approval.approver_role, approval.stands_for,
    approval.came_by, approval.requester_id, approval.follows, approval.delegated_to, approval.escalated_to, approval.due_at,
    approval.remind_at, approval.reminded_at, approval.overdue_at, approval.expires_at
from workflow_approvals wanted
join workflow_executions run on run.id = wanted.execution_id
join workflows workflow on workflow.id = run.workflow_id
join workflow_approvals approval on approval.execution_id = run.id
    and (approval.id = wanted.id or approval.step_id = wanted.step_id)
left join lateral (
    select uuid_or_null(coalesce(
        found.row ->> 'owner_id', found.row ->> 'assignee_id',
        case run.entity_type when 'campaign_enrollment' then (
            select contact.owner_id::text
            from contacts contact
            where contact.id = uuid_or_null(found.row ->> 'contact_id') and contact.org_id = run.org_id
                and contact.deleted_at is null -- as in the engine's read_runs
        ) end
    )) as owner_id
    from (
        select case run.entity_type
            when 'account' then (select to_jsonb(each) from accounts each where each.id = run.entity_id)
            when 'contact' then (select to_jsonb(each) from contacts each where each.id = run.entity_id)
            when 'deal' then (select to_jsonb(each) from deals each where each.id = run.entity_id)
            when 'job' then (select to_jsonb(each) from jobs each where each.id = run.entity_id)
            when 'submission' then (select to_jsonb(each) from submissions each where each.id = run.entity_id)
            when 'placement' then (select to_jsonb(each) from placements each where each.id = run.entity_id)
            when 'activity' then (select to_jsonb(each) from activities each where each.id = run.entity_id)
            when 'campaign_enrollment' then (select to_jsonb(each) from campaign_enrollments each where each.id = run.entity_id)
        end as row
    ) found
) record on true
where wanted.id = :approval
order by approval.created_at, approval.id;

-- name: read_people_around
-- Those who take part, and the deputies and managers above them, as far as anybody stands in for somebody.
with recursive around (id, distance) as (
    select id, 0 from unnest(:ids::uuid[]) as id
    union
    select above.id, around.distance + 1
    from around
    join user_profiles person on person.id = around.id and person.org_id = :org_id
    cross join lateral (values (person.deputy_id), (person.manager_id)) above (id)
    where above.id is not null and around.distance < 5
)
select
    person.id, person.org_id, person.name, person.role, person.manager_id, person.deputy_id, person.is_active,
    least(greatest(person.out_until, timestamptz '0001-01-02 00:00:00+00'), timestamptz '9999-12-30 00:00:00+00') as out_until
from user_profiles person
where person.org_id = :org_id and person.id in (select id from around)
order by person.id;

-- name: read_everybody
-- All colleagues of an organization.
select
    person.id, person.org_id, person.name, person.role, person.manager_id, person.deputy_id, person.is_active,
    least(greatest(person.out_until, timestamptz '0001-01-02 00:00:00+00'), timestamptz '9999-12-30 00:00:00+00') as out_until
from user_profiles person
where person.org_id = :org_id
order by person.id;

-- name: record_decision
-- The decision with who made it, as they are called now, a line in the log, and the run that goes on by it.
with decided as (
    update workflow_approvals
    set
        status = :status, responded_at = :now, response_notes = :notes,
        decided_by = case when :status in ('approved', 'rejected') then approver_id end,
        decided_by_name = :name, decided_by_role = :role, decided_via = :way, decided_with = :using,
        delegated_to = :to, delegated_at = case when cast(:to as uuid) is not null then cast(:now as timestamptz) end,
        delegation_reason = case when cast(:to as uuid) is not null then cast(:notes as text) end, updated_at = :now
    where id = :id and status = 'pending'
    returning id, execution_id, step_id, approver_id
),
line as (
    insert into workflow_execution_logs (execution_id, step_id, level, message, data, occurred_at)
    select
        execution_id, step_id, 'info', 'approval ' || cast(:status as text),
        jsonb_strip_nulls(jsonb_build_object(
            'approval_id', id, 'by', approver_id, 'via', cast(:way as text), 'using', cast(:using as text), 'to', cast(:to as uuid)
        )), :now
    from decided
)
update workflow_executions run
set next_run_at = :now, updated_at = :now
from decided
where run.id = decided.execution_id and run.status = 'running' and run.waits_for = 'approval'
returning run.id;

-- name: wake_run
-- Who is asked has changed since: the engine looks again.
update workflow_executions
set next_run_at = :now, updated_at = :now
where id = (select execution_id from workflow_approvals where id = :approval) and status = 'running' and waits_for = 'approval';
