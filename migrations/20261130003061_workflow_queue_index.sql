-- Runs that wait behind another one, or that a crash left where nothing moves them: few, and looked for every few minutes.
set local lock_timeout = '5s';

create index if not exists idx_workflow_executions_unmoved on workflow_executions (instance_id)
    where next_run_at is null and status in ('pending', 'running');
create index if not exists idx_workflow_webhooks_action on workflow_webhooks (action_id) where action_id is not null;
