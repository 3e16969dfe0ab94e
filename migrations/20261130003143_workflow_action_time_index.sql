-- Actions of the last days, whose effects are looked for; rows come in the order of their time, so the index is small.
create index concurrently if not exists idx_workflow_actions_created on workflow_actions using brin (created_at);
