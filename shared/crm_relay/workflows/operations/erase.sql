-- name: find_contacts
-- The contacts of a person, with everything that they are called in lower case.
select
    id,
    array(
        select lower(btrim(name))
        from unnest(array[email, phone, first_name, last_name, title]) as name
        where length(btrim(name)) > 1
    ) as names
from contacts
where normalise_address(email) = any (:addresses::text[]);

-- name: count_runs
-- What erasing would change: events, decisions and runs of the contacts and of what is theirs, runs of records that name them.
with own as materialized (
    select 'contact' as entity_type, id from unnest(:contacts::uuid[]) as id
    union all
    select 'campaign_enrollment', id from campaign_enrollments where contact_id = any (:contacts::uuid[])
    union all
    select 'activity', id from activities where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
),
other as materialized (
    select 'deal' as entity_type, id from deals where lead_contact_id = any (:contacts::uuid[])
    union all
    select 'submission', id from submissions where candidate_id = any (:contacts::uuid[])
    union all
    select 'placement', id from placements where candidate_id = any (:contacts::uuid[])
)
select
    (select count(*) from entity_events join own on own.entity_type = entity_events.entity_type and own.id = entity_id)::integer
        as entity_events,
    (
        select count(*)
        from workflow_executions run
        join (select * from own union all select * from other) record on record.entity_type = run.entity_type and record.id = run.entity_id
    )::integer as workflow_executions;

-- name: lock_runs
-- Runs about the contacts and what is theirs, and about records that name them; a batch that has one is waited for.
with record as materialized (
    select 'contact' as entity_type, id, true as is_own from unnest(:contacts::uuid[]) as id
    union all
    select 'campaign_enrollment', id, true from campaign_enrollments where contact_id = any (:contacts::uuid[])
    union all
    select 'activity', id, true from activities where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
    union all
    select 'deal', id, false from deals where lead_contact_id = any (:contacts::uuid[])
    union all
    select 'submission', id, false from submissions where candidate_id = any (:contacts::uuid[])
    union all
    select 'placement', id, false from placements where candidate_id = any (:contacts::uuid[])
)
select run.id, record.is_own, record.is_own and run.status in ('pending', 'running', 'paused') as is_open
from workflow_executions run
join record on record.entity_type = run.entity_type and record.id = run.entity_id
order by run.id
for no key update of run;

-- name: redact_runs
-- What runs keep of the person. `own` are about them; the others go on, without what they have taken from the contact.
-- A request that has not left never does: nothing that it says is left. One under way is recorded under another fence.
with run as (
    update workflow_executions
    set
        trigger_event = case
            when jsonb_typeof(trigger_event) = 'object' then trigger_event - 'payload' - 'changed' - 'by' else trigger_event
        end,
        execution_context = case
            when execution_context ? 'retry_of' then jsonb_build_object('retry_of', execution_context -> 'retry_of') else '{}'
        end,
        error_message = case when error_message is null or error_message = 'erased' then error_message else 'redacted' end,
        error_stack = null,
        start_key = case when start_key like 'api:%' then 'erased:' || id else start_key end,
        updated_at = :now
    where id = any (:own::uuid[])
    returning 1
),
step as (
    update workflow_steps
    set
        result = case when jsonb_typeof(result) = 'object' then result - 'explanation' end,
        error_message = case when error_message is not null then 'redacted' end
    where execution_id = any (:all::uuid[])
        and (result ? 'explanation' or error_message is not null or status = 'waiting' and execution_id = any (:own::uuid[]))
    returning 1
),
action as (
    update workflow_actions
    set
        result = case when jsonb_typeof(result) = 'object' then result - 'explanation' end,
        error_message = case when error_message is not null then 'redacted' end
    where execution_id = any (:all::uuid[]) and (result ? 'explanation' or error_message is not null)
    returning 1
),
line as (
    update workflow_execution_logs
    set data = data - 'explanation' - 'error'
    where execution_id = any (:all::uuid[]) and (data ? 'explanation' or data ? 'error')
    returning 1
),
hook as (
    update workflow_webhooks
    set
        url = 'https://' || host || '/', headers = '{}', body = '{}',
        state = case when state = 'delivered' then state else 'cancelled' end,
        reason = case when state = 'delivered' then reason else 'erased' end,
        fence = case when state = 'delivered' then fence else fence + 1 end,
        leased_until = null, updated_at = :now
    where execution_id = any (:all::uuid[])
        and case state when 'delivered' then body <> '{}' or url <> 'https://' || host || '/' else reason is distinct from 'erased' end
    returning 1
)
select
    (select count(*) from run)::integer as workflow_executions, (select count(*) from step)::integer as workflow_steps,
    (select count(*) from action)::integer as workflow_actions, (select count(*) from line)::integer as workflow_execution_logs,
    (select count(*) from hook)::integer as workflow_webhooks;

-- name: say_why
-- Why runs were cancelled.
update workflow_executions set error_message = 'erased' where id = any (:runs::uuid[]);

-- name: redact_decisions
-- Why runs of records that name the person were started or not, without the values that were compared.
update workflow_start_decisions decision
set explanation = '[]'
from (
    select 'deal' as entity_type, id from deals where lead_contact_id = any (:contacts::uuid[])
    union all
    select 'submission', id from submissions where candidate_id = any (:contacts::uuid[])
    union all
    select 'placement', id from placements where candidate_id = any (:contacts::uuid[])
) record
where decision.entity_type = record.entity_type and decision.entity_id = record.id
    and exists (
        select from unnest(:names::text[]) as name where strpos(lower(decision.explanation::text), name) > 0
    );

-- name: redact_activities
-- What runs have written for colleagues: all of it where the run is about the person, else where it names them.
with made as materialized (
    select activity.id
    from workflow_steps step
    join activities activity on activity.id = uuid_or_null(step.result ->> 'activity_id')
    where step.execution_id = any (:all::uuid[]) and coalesce(activity.subject, activity.description) is not null and (
        step.execution_id = any (:own::uuid[])
        or exists (
            select
            from unnest(:names::text[]) as name
            where strpos(lower(concat_ws(' ', activity.subject, activity.description)), name) > 0
        )
    )
    order by activity.id
    for no key update of activity
)
update activities set subject = null, description = null, updated_at = :now from made where activities.id = made.id returning activities.id;

-- name: redact_approvals
-- What colleagues were asked for by these runs and answered: all of it where the run is about the person, else where it names them.
update workflow_approvals
set title = 'redacted', message = null, response_notes = null, delegation_reason = null, updated_at = :now
where execution_id = any (:all::uuid[]) and title is distinct from 'redacted' and (
    execution_id = any (:own::uuid[])
    or exists (
        select
        from unnest(:names::text[]) as name
        where strpos(lower(concat_ws(' ', title, message, response_notes, delegation_reason)), name) > 0
    )
)
returning id;

-- name: redact_deciders
-- What a colleague who is erased has decided stays, without their name and words.
with person as materialized (
    select id from user_profiles where normalise_address(email) = any (:addresses::text[])
),
run as materialized (
    select id
    from workflow_executions
    where id in (select execution_id from workflow_approvals where approver_id in (select id from person))
    order by id
    for no key update
)
update workflow_approvals approval
set decided_by_name = case when decided_by_name is not null then 'redacted' end, response_notes = null, delegation_reason = null,
    updated_at = :now
from run
where approval.execution_id = run.id and approval.approver_id in (select id from person)
    and (approval.decided_by_name <> 'redacted' or approval.response_notes is not null or approval.delegation_reason is not null)
returning approval.id;

-- name: remove_notifications
-- What colleagues were notified of by these runs: all of it where the run is about the person, else where it names them.
with subject as materialized (
    select id as run_id, entity_type, entity_id from workflow_executions where id = any (:all::uuid[])
    union all
    select execution_id, 'workflow_approval', id from workflow_approvals where execution_id = any (:all::uuid[])
),
sent as materialized (
    select notification.id
    from subject
    join notifications notification on notification.entity_type = subject.entity_type and notification.entity_id = subject.entity_id
    where (
        subject.run_id = any (:own::uuid[])
        or exists (
            select
            from unnest(:names::text[]) as name
            where strpos(lower(concat_ws(' ', notification.title, notification.message)), name) > 0
        )
    )
    order by notification.id
    for update of notification
)
delete from notifications using sent where notifications.id = sent.id returning notifications.id;

-- name: handle_events
-- What happened to the person starts nothing more.
update entity_events event
set handled_at = :now
from (
    select 'contact' as entity_type, id from unnest(:contacts::uuid[]) as id
    union all
    select 'campaign_enrollment', id from campaign_enrollments where contact_id = any (:contacts::uuid[])
    union all
    select 'activity', id from activities where entity_type = 'contact' and entity_id = any (:contacts::uuid[])
) record
where event.entity_type = record.entity_type and event.entity_id = record.id and event.handled_at is null;

-- name: note_nothing
-- For the rest of the transaction: what an erasure takes away does not become an event that keeps it.
select set_config('crm_relay.changes_are_noted', 'no', true);

-- name: redact_mentions
-- How many rows of each of these tables mentioned the person; every mention is replaced.
select relation, redact_mentions(relation, :needles::text[], :pattern)::integer as rows
from unnest(:relations::text[]) as relation;
