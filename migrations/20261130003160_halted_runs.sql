-- Runs that SQL has ended or paused while they were due or waited: few, and looked for every few minutes.
set local lock_timeout = '5s';

create index if not exists idx_workflow_executions_halted on workflow_executions (id)
    where status in ('completed', 'cancelled', 'paused') and next_run_at is not null
        or status in ('completed', 'cancelled') and waits_for is not null;
