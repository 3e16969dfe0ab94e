-- The newest runs of a workflow in a status, and how many there are.
set local lock_timeout = '5s';

create index if not exists idx_workflow_executions_listed on workflow_executions (workflow_id, status, created_at desc);
