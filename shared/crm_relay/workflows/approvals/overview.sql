-- name: approval_of_link
-- Which approval the link with this hash opens.
select approval_id from workflow_approval_links where sha256 = :sha256;

-- name: show_approvals
-- Approvals with what they are about, by one of their ids, or the oldest that wait, or the newest that are over.
select
    approval.id, approval.org_id, approval.execution_id, approval.step_id, run.workflow_id, workflow.name as workflow_name, run.entity_type, run.entity_id,
    approval.status, approval.title, approval.message, approval.approver_id, approver.name as approver_name, approval.approver_type,
    approval.came_by, approval.stands_for, principal.name as stands_for_name, approval.requester_id, requester.name as requester_name,
    coalesce(approval.sequence_order, 1) as stage, coalesce(approval.is_parallel, false) as is_parallel, approval.quorum,
    approval.requested_at, approval.due_at, approval.expires_at, approval.responded_at, approval.response_notes as notes,
    approval.decided_by, approval.decided_by_name, approval.decided_by_role, approval.decided_via, approval.decided_with,
    approval.delegated_to, approval.escalated_to, approval.ended_for, run.status as run_status,
    extract(epoch from coalesce(cast(:now as timestamptz), statement_timestamp()) - approval.requested_at)::bigint as age_seconds
from workflow_approvals approval
join workflow_executions run on run.id = approval.execution_id
join workflows workflow on workflow.id = run.workflow_id
left join user_profiles approver on approver.id = approval.approver_id
left join user_profiles principal on principal.id = approval.stands_for
left join user_profiles requester on requester.id = approval.requester_id
where (cast(:ids as uuid[]) is null or approval.id = any (cast(:ids as uuid[])))
    and (cast(:org_id as uuid) is null or approval.org_id = :org_id)
    and (cast(:approver_id as uuid) is null or approval.approver_id = :approver_id)
    and (cast(:execution_id as uuid) is null or approval.execution_id = :execution_id)
    and (cast(:entity_id as uuid) is null or run.entity_type = :entity_type and run.entity_id = :entity_id)
    and (cast(:is_pending as boolean) is null or (approval.status = 'pending') = :is_pending)
order by case when approval.status = 'pending' then approval.requested_at end nulls last, approval.requested_at desc, approval.id
limit :limit;
