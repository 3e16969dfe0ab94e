-- name: cause_of
-- How deep a run is, found by its own id or by that of a request that it sent.
select run.id, run.depth
from workflow_executions run
where run.org_id = :org and (
    run.id = :cause or run.id = (select execution_id from workflow_webhooks where id = :cause)
);

-- name: waits_listened_to
-- Workflows that listen to named events, with the versions that are active or that runs still go by.
select listener.workflow_id, listener.entity_type, listener.topic, listener.is_first, version.is_active, version.program
from (
    select workflow_id, entity_type, topic, row_number() over (partition by workflow_id order by entity_type, topic) = 1 as is_first
    from workflow_listeners
    where topic like 'event:%' and not is_watched and workflow_id is not null
) listener
left join workflow_versions version on version.workflow_id = listener.workflow_id and (
    version.is_active or exists (
        select
        from workflow_executions run
        where run.workflow_id = version.workflow_id and run.version = version.version
            and run.status in ('pending', 'running', 'failed', 'paused')
    )
)
where exists (select from workflow_versions former where former.workflow_id = listener.workflow_id and not former.is_active)
order by listener.workflow_id, listener.entity_type, listener.topic, version.version
limit :limit;

-- name: lock_definitions
-- Nobody publishes one of these workflows meanwhile.
select id from workflows where id = any (:ids::uuid[]) order by id for no key update;

-- name: forget_waits
-- What no version and no run waits for any more.
delete from workflow_listeners listener
using :stale as stale (workflow_id uuid, entity_type text, topic text)
where listener.workflow_id = stale.workflow_id and listener.entity_type = stale.entity_type and listener.topic = stale.topic
    and not listener.is_watched
returning listener.topic;
