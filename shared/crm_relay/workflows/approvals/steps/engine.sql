-- name: read_approvals
-- All approvals that runs have asked for, and whether one of them has nobody to ask; a run without any is there once.
select
    wanted.id as run_id, trouble.subject is not null as has_incident, approval.id, approval.execution_id, approval.step_id,
    approval.org_id, approval.approver_id, approval.status, coalesce(approval.sequence_order, 1) as stage, approval.entries,
    approval.approver_type, approval.approver_role, approval.stands_for, approval.came_by, approval.requester_id, approval.follows,
    approval.delegated_to, approval.escalated_to, approval.due_at, approval.remind_at, approval.reminded_at, approval.overdue_at,
    approval.expires_at
from unnest(:runs::uuid[]) as wanted (id)
left join incidents trouble on trouble.kind = 'workflow_approval_undecidable' and trouble.subject = wanted.id::text
    and trouble.closed_at is null
left join workflow_approvals approval on approval.execution_id = wanted.id
order by approval.created_at, approval.id;

-- name: change_approvals
-- What became of approvals without a decision, each with a line in the log of its run; one that was decided stays as it is.
with changed as (
    update workflow_approvals approval
    set
        status = coalesce(given.status, approval.status),
        delegated_to = coalesce(given.delegated_to, approval.delegated_to),
        delegated_at = case when given.delegated_to is null then approval.delegated_at else cast(:now as timestamptz) end,
        delegation_reason = case when given.delegated_to is null then approval.delegation_reason else given.reason end,
        escalated_to = coalesce(given.escalated_to, approval.escalated_to),
        escalated_at = case when given.escalated_to is null then approval.escalated_at else cast(:now as timestamptz) end,
        escalation_reason = case when given.escalated_to is null then approval.escalation_reason else given.reason end,
        ended_for = case given.status when 'expired' then given.reason else approval.ended_for end,
        reminded_at = case when given.reminded then cast(:now as timestamptz) else approval.reminded_at end,
        overdue_at = case when given.overdue then cast(:now as timestamptz) else approval.overdue_at end,
        entries = coalesce(given.entries, approval.entries),
        updated_at = :now
    from :changes as given (
        id uuid, line text, status text, delegated_to uuid, escalated_to uuid, reason text, reminded boolean, overdue boolean,
        entries integer[]
    )
    where approval.id = given.id and (approval.status not in ('approved', 'rejected') or given.status is null)
    returning approval.id, approval.execution_id, approval.step_id, approval.approver_id, given.line
)
insert into workflow_execution_logs (execution_id, step_id, level, message, data, occurred_at)
select execution_id, step_id, 'info', line, jsonb_build_object('approval_id', id, 'approver', approver_id), :now from changed;

-- name: ask_approvals
-- Who is asked now, each with a line in the log of the run.
with asked as (
    insert into workflow_approvals (
        id, org_id, execution_id, step_id, approver_id, approver_type, approver_role, due_at, sequence_order, is_parallel, title,
        message, requester_id, entries, quorum, stands_for, came_by, follows, remind_at, expires_at, requested_at, created_at, updated_at
    )
    select
        id, org_id, execution_id, step_id, approver_id, approver_type, approver_role, due_at, sequence_order, is_parallel, title, message,
        (select person.id from user_profiles person where person.id = asked.requester_id), entries, quorum,
        (select person.id from user_profiles person where person.id = asked.stands_for), came_by, follows, remind_at, expires_at,
        :now, :now, :now
    from :approvals as asked (
        id uuid, org_id uuid, execution_id uuid, step_id uuid, approver_id uuid, approver_type text, approver_role text,
        due_at timestamptz, sequence_order integer, is_parallel boolean, title text, message text, requester_id uuid,
        entries integer[], quorum integer, stands_for uuid, came_by text, follows uuid, remind_at timestamptz, expires_at timestamptz
    )
    returning id, execution_id, step_id, approver_id, came_by, stands_for
)
insert into workflow_execution_logs (execution_id, step_id, level, message, data, occurred_at)
select
    execution_id, step_id, 'info', 'approval asked',
    jsonb_build_object('approval_id', id, 'approver', approver_id, 'came_by', came_by, 'stands_for', stands_for), :now
from asked;

-- name: add_links
-- The links that leave with notifications, by the hash of their token.
insert into workflow_approval_links (sha256, approval_id, created_at)
select sha256, approval_id, :now from :links as link (sha256 text, approval_id uuid);
