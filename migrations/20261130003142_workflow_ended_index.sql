-- Runs that are over are found by when they ended.
create index concurrently if not exists idx_workflow_executions_completed on workflow_executions (completed_at)
    where completed_at is not null;
