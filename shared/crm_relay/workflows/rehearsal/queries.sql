-- name: only_read
-- From here on the transaction writes nothing.
select set_config('transaction_read_only', 'on', true) as setting;

-- name: read_colleague
-- Who would own a record behind a write of a rehearsal.
select to_jsonb(each) as owner from user_profiles each where each.id = :id and each.org_id = :org;

-- name: newest_events
-- Behind which event the newest ones begin, where there are more than a rehearsal takes.
select id
from entity_events
where org_id = :org and occurred_at >= cast(:since as timestamptz) and occurred_at <= cast(:until as timestamptz)
    and (entity_type = :entity_type or kind = 'event' and entity_type = 'contact' and topic = any (:waits::text[]))
order by id desc
offset :most
limit 1;

-- name: next_events
-- A page of what happened, in the order in which the engine handles it.
select id, org_id, entity_type, entity_id, kind, topic, changed, payload, actor, origin, depth, cause, occurred_at
from entity_events
where id > :after and org_id = :org and occurred_at >= cast(:since as timestamptz) and occurred_at <= cast(:until as timestamptz)
    and (entity_type = :entity_type or kind = 'event' and entity_type = 'contact' and topic = any (:waits::text[]))
order by id
limit :limit;

-- name: events_of_record
-- The newest events of one record.
select id, org_id, entity_type, entity_id, kind, topic, changed, payload, actor, origin, depth, cause, occurred_at
from entity_events
where entity_type = :entity_type and entity_id = :entity_id and org_id = :org
order by id desc
limit :limit;

-- name: recorded_drafts
-- Of these workflows the drafts about such records that are recorded.
select workflow.id
from workflows workflow
where workflow.id = any (:ids::uuid[]) and workflow.entity_type = :entity_type and workflow.deleted_at is null
    and exists (select from workflow_listeners listener where listener.workflow_id = workflow.id and listener.is_watched)
order by workflow.name, workflow.id
limit :limit;
