-- What waits for an approval, the oldest first.
create index concurrently if not exists idx_workflow_approvals_waiting on workflow_approvals (org_id, requested_at, id) where status = 'pending';
