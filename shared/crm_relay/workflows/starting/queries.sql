-- name: claim_events
-- Events that wait, as many of each line as there is room for: the lines are what one organization hears of one entity and topic.
with recursive line as (
    (
        select org_id, entity_type, topic
        from entity_events
        where handled_at is null and org_id > :after
        order by org_id, entity_type, topic
        limit 1
    )
    union all
    select following.*
    from line
    cross join lateral (
        select org_id, entity_type, topic
        from entity_events
        where handled_at is null and (org_id, entity_type, topic) > (line.org_id, line.entity_type, line.topic)
        order by org_id, entity_type, topic
        limit 1
    ) following
),
turn as materialized (
    select *, ceil(cast(:limit as numeric) / count(*) over ())::integer as share
    from (
        select *
        from line
        -- Lines of nothing but events that are put off leave their place to others.
        where exists (
            select
            from entity_events waiting
            where waiting.handled_at is null and waiting.org_id = line.org_id and waiting.entity_type = line.entity_type
                and waiting.topic = line.topic and (waiting.not_before is null or waiting.not_before <= :now)
        )
        limit :lines
    ) some_lines
)
select
    event.id, event.org_id, event.entity_type, event.entity_id, event.kind, event.topic, event.changed, event.payload, event.actor,
    event.origin, event.depth, event.cause, event.occurred_at
from turn
cross join lateral (
    select *
    from entity_events waiting
    where waiting.handled_at is null and waiting.org_id = turn.org_id and waiting.entity_type = turn.entity_type
        and waiting.topic = turn.topic and (waiting.not_before is null or waiting.not_before <= :now)
    order by waiting.id
    limit turn.share
    for update skip locked
) event;

-- name: claim_these
-- The same of these alone, where they still wait.
select id, org_id, entity_type, entity_id, kind, topic, changed, payload, actor, origin, depth, cause, occurred_at
from entity_events
where id = any (:ids::bigint[]) and handled_at is null
order by id
for update skip locked;

-- name: active_versions
-- What may be started by changes of these entities.
select version.workflow_id, version.version, version.org_id, version.entity_type, version.starts_from
from workflow_versions version
join workflows workflow on workflow.id = version.workflow_id and workflow.deleted_at is null
where version.is_active
    and (version.org_id, version.entity_type) in (select org_id, entity_type from :lines as line (org_id uuid, entity_type text));

-- name: active_version
-- That of one workflow; of any organization where none is named.
select version.workflow_id, version.version, version.org_id, version.entity_type, version.starts_from
from workflow_versions version
join workflows workflow on workflow.id = version.workflow_id and workflow.deleted_at is null
where version.is_active and version.workflow_id = :workflow_id
    and (cast(:org_id as uuid) is null or version.org_id = :org_id);

-- name: read_programs
-- What versions do; read once in a process, since a version never changes.
select workflow_id, version, program
from workflow_versions
where (workflow_id, version) in (select workflow_id, version from :versions as wanted (workflow_id uuid, version integer));

-- name: hold_instances
-- The instance of each workflow and record: made, or locked as it is now. Always in this order, so that no two wait for each other.
insert into workflow_instances as known (id, org_id, workflow_id, entity_type, entity_id, current_state_id, created_at, updated_at)
select
    given.id, given.org_id, given.workflow_id, given.entity_type, given.entity_id,
    (select state.id from workflow_states state where state.id = given.initial_state), :now, :now
from jsonb_to_recordset(:instances) as given (
    id uuid, org_id uuid, workflow_id uuid, entity_type text, entity_id uuid, initial_state uuid
)
order by given.workflow_id, given.entity_type, given.entity_id
on conflict (workflow_id, entity_type, entity_id) do update set updated_at = excluded.updated_at
returning known.id, known.workflow_id, known.entity_type, known.entity_id, known.last_started_at;

-- name: open_runs
-- Runs of these workflows and records that are not over, locked behind their instances: a restart ends them.
select run.id, run.instance_id
from workflow_instances instance
join workflow_executions run on run.instance_id = instance.id
where (instance.workflow_id, instance.entity_type, instance.entity_id) in (
        select workflow_id, entity_type, entity_id
        from jsonb_to_recordset(:instances) as given (workflow_id uuid, entity_type text, entity_id uuid)
    )
    and (run.status in ('pending', 'running', 'paused') or run.status = 'failed' and run.next_run_at is not null)
order by run.id
for no key update of run;

-- name: hold_paces
-- The bucket of each workflow, locked; the last lock of all, since every starter of a workflow waits for it.
insert into workflow_pace as known (workflow_id, next_free_at)
select id, :now
from unnest(:workflows::uuid[]) as id
order by id
on conflict (workflow_id) do update set next_free_at = known.next_free_at
returning known.workflow_id, known.next_free_at;

-- name: keys_known
-- Which of these starts were made before.
select run.workflow_id, run.start_key, run.id, run.status
from workflow_executions run
where (run.workflow_id, run.start_key) in (
    select workflow_id, start_key from jsonb_to_recordset(:keys) as given (workflow_id uuid, start_key text)
);

-- name: end_restarted
-- Runs that a later start of their record replaces; nothing of them is done any more.
with ended as (
    update workflow_executions
    set
        status = 'cancelled', error_message = 'restarted', next_run_at = null, next_retry_at = null, waits_for = null,
        waits_for_id = null, due_before_pause = null, completed_at = :now, updated_at = :now
    where id = any (:ids::uuid[])
    returning id
),
step as (
    update workflow_steps
    set status = 'skipped', completed_at = :now, result = coalesce(result, '{}') || '{"reason": "restarted"}'
    where execution_id in (select id from ended) and status = 'waiting'
),
hook as (
    update workflow_webhooks
    set state = 'cancelled', reason = 'restarted', updated_at = :now
    where execution_id in (select id from ended) and state = 'waiting'
)
select count(*)::integer as ended from ended;

-- name: wake_runs
-- Runs that wait for what happened look at it now.
with waiting as materialized (
    select run.id
    from workflow_executions run
    join jsonb_to_recordset(:events) as event (topic text, entity_id uuid)
        on run.waits_for = event.topic and run.waits_for_id = event.entity_id
    where run.status = 'running'
    order by run.id
    for no key update of run
),
woken as (
    update workflow_executions run
    set next_run_at = :now, updated_at = :now
    from waiting
    where run.id = waiting.id and run.waits_for is not null and (run.next_run_at is null or run.next_run_at > :now)
    returning run.id
)
select count(*)::integer as woken from woken;

-- name: record
-- All that was decided of a batch: runs, why each start was made or not, instances, paces, and the events that are handled.
-- A start whose key is there makes nothing a second time.
with given as materialized (
    select *
    from jsonb_to_recordset(:decisions) as given (
        org_id uuid, workflow_id uuid, version integer, event_id bigint, entity_type text, entity_id uuid, verdict text, reason text,
        explanation jsonb, execution_id uuid, instance_id uuid, start_key text, trigger_type text, trigger_event jsonb,
        triggered_by uuid, depth integer, status text, next_run_at timestamptz, total_steps integer, max_retries integer,
        initial_state uuid, begins_again boolean
    )
),
run as (
    insert into workflow_executions (
        id, org_id, instance_id, workflow_id, version, entity_type, entity_id, event_id, start_key, status, trigger_type, trigger_event,
        triggered_by, depth, next_run_at, total_steps, max_retries, error_message, completed_at, created_at, updated_at
    )
    select
        given.execution_id, given.org_id, given.instance_id, given.workflow_id, given.version, given.entity_type, given.entity_id,
        given.event_id, given.start_key, given.status, given.trigger_type,
        coalesce(given.trigger_event, jsonb_build_object(
            'id', event.id, 'kind', event.kind, 'topic', event.topic, 'changed', event.changed, 'payload', event.payload,
            'actor', event.actor, 'origin', event.origin, 'occurred_at', event.occurred_at
        )),
        (select person.id from user_profiles person where person.id = given.triggered_by), given.depth, given.next_run_at,
        given.total_steps, given.max_retries, case given.status when 'cancelled' then 'restarted' end,
        case given.status when 'cancelled' then cast(:now as timestamptz) end, clock_timestamp(), :now
    from given
    left join entity_events event on event.id = given.event_id
    where given.execution_id is not null
    order by given.workflow_id, given.start_key
    on conflict (workflow_id, start_key) do nothing
    returning id
),
instance as (
    update workflow_instances instance
    set
        last_started_at = :now, updated_at = :now, status = 'active',
        current_state_id = case
            when latest.begins_again then coalesce(
                (select state.id from workflow_states state where state.id = latest.initial_state), instance.current_state_id
            )
            else instance.current_state_id
        end
    from (
        select instance_id, bool_or(begins_again) as begins_again, (array_agg(initial_state))[1] as initial_state
        from given
        where execution_id in (select id from run)
        group by instance_id
    ) latest
    where instance.id = latest.instance_id
),
decision as (
    insert into workflow_start_decisions (
        org_id, workflow_id, version, event_id, entity_type, entity_id, verdict, reason, explanation, execution_id, decided_at
    )
    select
        org_id, workflow_id, version, event_id, entity_type, entity_id, verdict, reason, coalesce(explanation, '[]'), execution_id, :now
    from given
    where execution_id is null or execution_id in (select id from run)
),
pace as (
    update workflow_pace known
    set next_free_at = paced.next_free_at
    from jsonb_to_recordset(:paces) as paced (workflow_id uuid, next_free_at timestamptz)
    where known.workflow_id = paced.workflow_id
),
handled as (
    update entity_events set handled_at = :now where id = any (:events::bigint[])
)
select count(*)::integer as started from run;

-- name: postpone
-- An event whose starts failed is looked at again later; after the last time it counts as handled, with the reason kept.
with failed as (
    update entity_events event
    set
        attempts = event.attempts + 1,
        not_before = given.not_before,
        handled_at = case when given.not_before is null then cast(:now as timestamptz) end
    from :failed as given (id bigint, not_before timestamptz)
    where event.id = given.id
    returning event.*
)
insert into workflow_start_decisions (
    org_id, workflow_id, version, event_id, entity_type, entity_id, verdict, reason, explanation, decided_at
)
select failed.org_id, version.workflow_id, version.version, failed.id, failed.entity_type, failed.entity_id, 'not_started', 'failed', '[]', :now
from failed
join organizations on organizations.id = failed.org_id
join workflow_versions version on version.org_id = failed.org_id and version.entity_type = failed.entity_type and version.is_active
    and version.starts_from <= failed.occurred_at
where failed.handled_at is not null
returning id;

-- name: attempts
-- How often the starts of these events failed before.
select id, attempts from entity_events where id = any (:ids::bigint[]);

-- name: recovered
-- Incidents of events that have started what they start by now or are kept no more, and of versions that are active no more.
select incident.kind, incident.subject
from incidents incident
left join entity_events event on incident.kind = 'workflow_start_refused' and event.id::text = incident.subject
where incident.kind = 'workflow_start_refused' and incident.closed_at is null and incident.told_closed_at is null
    and (event.id is null or event.handled_at is not null)
    and not exists (
        select
        from workflow_start_decisions decision
        where decision.event_id::text = incident.subject and decision.reason = 'failed' and event.id is not null
            and decision.entity_type = event.entity_type and decision.entity_id = event.entity_id
    )
union all
select incident.kind, incident.subject
from incidents incident
where incident.kind = 'workflow_unreadable' and incident.closed_at is null and incident.told_closed_at is null
    and not exists (
        select
        from workflow_versions version
        where version.workflow_id::text = incident.subject and version.is_active
            and version.version = (incident.details ->> 'version')::integer
    );
