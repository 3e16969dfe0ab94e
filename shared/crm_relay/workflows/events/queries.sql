-- name: listen_to_changes
-- The update triggers of the CRM's tables become those that are listened to; which were touched, and which could not be.
select relation, sqlstate_of_failure as failure from listen_to_changes();

-- name: recovered
-- Tables whose changes could not be noted, and of which an event has come since.
select incident.subject
from incidents incident
join :tables as known (relation text, entity_type text) on known.relation = incident.subject
where incident.kind = 'workflow_events' and incident.closed_at is null and incident.told_closed_at is null
    and exists (
        select
        from entity_events event
        where event.entity_type = known.entity_type and event.occurred_at > incident.opened_at
    );

-- name: emit
-- A named event, once a key and only where somebody listens; the id of the one that has the key already.
with heard as materialized (
    select exists (
        select from workflow_listeners where org_id = :org_id and entity_type = :entity_type and topic = :topic
    ) as is_heard
),
made as (
    insert into entity_events (org_id, entity_type, entity_id, kind, topic, payload, actor, origin, depth, cause, event_key)
    select :org_id, :entity_type, :entity_id, 'event', :topic, :payload, :actor, :origin, :depth, :cause, :event_key
    from heard
    where is_heard
    on conflict (org_id, event_key) where event_key is not null do nothing
    returning id
)
select
    heard.is_heard, made.id as new_id,
    (select id from entity_events where org_id = :org_id and event_key = cast(:event_key as text)) as known_id
from heard
left join made on true;

-- name: remove_old
-- Events that were handled and are older than they are kept, the oldest first.
with gone as (
    delete from entity_events
    where id in (
        select id
        from entity_events
        where occurred_at < :before and handled_at is not null
        order by occurred_at
        limit :limit
    )
    returning id
)
select count(*)::integer as removed from gone;

-- name: lock_traces
-- Events of the contacts and of what is theirs alone, in the order in which they are locked everywhere.
select id
from entity_events
where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
    or entity_type = 'campaign_enrollment' and entity_id in (
        select id from campaign_enrollments where contact_id = any (:contacts::uuid[])
    )
    or entity_type = 'activity' and entity_id in (
        select id from activities where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
    )
order by id
for update;

-- name: redact
-- Without the values of the people; which columns changed, and how a start was decided, stays.
with record as materialized (
    select 'contact' as entity_type, id from unnest(:contacts::uuid[]) as id
    union all
    select 'campaign_enrollment', id from campaign_enrollments where contact_id = any (:contacts::uuid[])
    union all
    select 'activity', id from activities where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
),
event as (
    update entity_events event
    set
        payload = case when event.payload is not null then '{}'::jsonb end,
        changed = (
            select coalesce(jsonb_object_agg(key, '["redacted", "redacted"]'::jsonb), '{}') from jsonb_object_keys(event.changed) key
        )
    from record
    where event.entity_type = record.entity_type and event.entity_id = record.id
        and (event.changed <> '{}' or event.payload <> '{}')
    returning event.id
),
decision as (
    update workflow_start_decisions decision
    set explanation = (
        select coalesce(
            jsonb_agg(
                case
                    when jsonb_typeof(entry) = 'object' and coalesce(entry -> 'actual', 'null') <> 'null'
                        then entry || '{"actual": "redacted"}'
                    else entry
                end
                order by place
            ),
            '[]'
        )
        from jsonb_array_elements(
            case jsonb_typeof(decision.explanation) when 'array' then decision.explanation else '[]' end
        ) with ordinality as listed (entry, place)
    )
    from record
    where decision.entity_type = record.entity_type and decision.entity_id = record.id and decision.explanation <> '[]'
    returning decision.id
),
run as (
    update workflow_executions run
    set trigger_event = run.trigger_event - 'payload' || jsonb_build_object('changed', (
        select coalesce(jsonb_object_agg(key, '["redacted", "redacted"]'::jsonb), '{}')
        from jsonb_object_keys(
            case jsonb_typeof(run.trigger_event -> 'changed') when 'object' then run.trigger_event -> 'changed' else '{}' end
        ) key
    ))
    from record
    where run.entity_type = record.entity_type and run.entity_id = record.id and jsonb_typeof(run.trigger_event) = 'object'
    returning run.id
)
select
    (select count(*) from event)::integer as entity_events,
    (select count(*) from decision)::integer as workflow_start_decisions,
    (select count(*) from run)::integer as workflow_executions;

-- name: has_column
-- Whether a table has this column now.
select
from pg_attribute
where attrelid = to_regclass('public.' || quote_ident(:table)) and attname = :column and attnum > 0 and not attisdropped;

-- name: watch_field
-- Its events are kept though no workflow listens to it.
insert into workflow_listeners (workflow_id, org_id, entity_type, topic, is_watched, watched_by)
values (null, coalesce(cast(:org as uuid), default_org_id()), :entity_type, :topic, true, :who)
on conflict do nothing
returning topic;

-- name: forget_field
-- Only what was watched by its name.
delete from workflow_listeners
where workflow_id is null and org_id = coalesce(cast(:org as uuid), default_org_id()) and entity_type = :entity_type
    and topic = :topic
returning topic;

-- name: watch_topics
-- What the draft would listen to.
insert into workflow_listeners (workflow_id, org_id, entity_type, topic, is_watched)
select :workflow_id, :org, entity_type, topic, true
from :topics as watched (entity_type text, topic text)
on conflict do nothing;

-- name: forget_draft
-- What was recorded for a draft; what its published version listens to stays.
delete from workflow_listeners where workflow_id = :workflow_id and is_watched returning topic;

-- name: list_recordings
-- What is listened to, by which workflow, and since when its events are kept.
select
    listener.org_id, listener.entity_type, listener.topic, recording.since, max(listener.watched_by) as watched_by,
    coalesce(array_agg(distinct workflow.name) filter (where workflow.id is not null), '{}') as workflows
from workflow_listeners listener
left join workflows workflow on workflow.id = listener.workflow_id
left join workflow_recordings recording on recording.org_id = listener.org_id and recording.entity_type = listener.entity_type
    and recording.topic = listener.topic
where cast(:org as uuid) is null or listener.org_id = :org
group by listener.org_id, listener.entity_type, listener.topic, recording.since
order by listener.org_id, listener.entity_type, listener.topic
limit :limit;

-- name: recorded_since
-- Since when the events of one topic are kept without a gap.
select since
from workflow_recordings
where org_id = coalesce(cast(:org as uuid), default_org_id()) and entity_type = :entity_type and topic = :topic;

-- name: recorded_topics
-- The same of many.
select recording.entity_type, recording.topic, recording.since
from workflow_recordings recording
join :topics as wanted (entity_type text, topic text)
    on wanted.entity_type = recording.entity_type and wanted.topic = recording.topic
where recording.org_id = :org;

-- name: heard_since
-- The latest of all that a published version listens to; null where a part is not heard, or there is none.
select case when bool_and(recording.since is not null) then max(recording.since) end as since
from workflow_listeners listener
left join workflow_recordings recording on recording.org_id = listener.org_id and recording.entity_type = listener.entity_type
    and recording.topic = listener.topic
where listener.workflow_id = :workflow_id and not listener.is_watched;
