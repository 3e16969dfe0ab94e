-- Old lines of the log are found by their time alone; rows come in its order, so the index is small.
create index concurrently if not exists idx_workflow_execution_logs_occurred on workflow_execution_logs using brin (occurred_at);
