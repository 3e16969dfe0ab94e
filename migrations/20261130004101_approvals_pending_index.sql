-- Nobody is asked twice at once within a step; who decides and who is asked meet on one row.
create unique index concurrently if not exists idx_workflow_approvals_pending on workflow_approvals (step_id, approver_id) where status = 'pending';
