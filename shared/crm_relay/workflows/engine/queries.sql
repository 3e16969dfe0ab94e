-- name: claim_runs
-- A batch of runs that are due, ours until the transaction ends: the oldest of each record, workflows taking turns.
with recursive workflow_of_run as (
    -- One probe of the index a workflow, however many of its runs are due.
    (select workflow_id from workflow_executions where next_run_at is not null order by workflow_id limit 1)
    union all
    select (
        select workflow_id
        from workflow_executions
        where next_run_at is not null and workflow_id > former.workflow_id
        order by workflow_id
        limit 1
    )
    from workflow_of_run former
    where former.workflow_id is not null
),
working as materialized (
    select workflows.id
    from workflow_of_run
    join workflows on workflows.id = workflow_of_run.workflow_id
    where workflows.paused_at is null and workflows.deleted_at is null
        and exists (
            select
            from workflow_executions
            where workflow_id = workflows.id and next_run_at <= :now and status in ('pending', 'running', 'failed')
        )
        and workflows.id <> all (:without::uuid[])
),
aside as materialized (
    -- Their rows stop others: nobody takes them up until their incident is closed.
    select subject from incidents where kind = 'workflow_run_refused' and closed_at is null and told_closed_at is null
),
candidate as (
    select distinct on (due.instance_id) due.id, due.instance_id, due.workflow_id, due.next_run_at
    from working
    cross join lateral (
        select id, instance_id, workflow_id, next_run_at
        from workflow_executions
        where workflow_id = working.id and next_run_at <= :now
            -- What SQL has ended or paused hides no other one; `repair_runs` takes its time away.
            and status in ('pending', 'running', 'failed')
            and (cast(:only as uuid[]) is null or id = any (cast(:only as uuid[])))
            and id::text not in (select subject from aside)
        order by next_run_at, id
        limit 4 * cast(:limit as integer)
    ) due
    order by due.instance_id, due.next_run_at, due.id
),
ranked as materialized (
    select id, instance_id, next_run_at, row_number() over (partition by workflow_id order by next_run_at, id) as turn
    from candidate
)
select run.id, run.workflow_id, run.version, run.entity_type, run.entity_id, coalesce(run.current_step_index, 0) as place
from ranked
join workflow_executions run on run.id = ranked.id
join workflow_instances instance on instance.id = ranked.instance_id
where run.next_run_at <= :now and run.status in ('pending', 'running', 'failed')
order by ranked.turn, ranked.next_run_at, ranked.id
limit :limit
for no key update of run, instance skip locked;

-- name: read_versions
-- What the runs are runs of; read once in a process.
select workflow_id, version, program
from workflow_versions
where (workflow_id, version) in (select workflow_id, version from :versions as wanted (workflow_id uuid, version integer));

-- name: read_runs
-- The runs that were claimed, with the record of each as it is now and what hangs on it.
select
    run.id, run.org_id, run.instance_id, run.workflow_id, run.version, run.entity_type, run.entity_id, run.status,
    coalesce(run.current_step_index, 0) as place, run.steps_done as position, run.depth, coalesce(run.retry_count, 0) as retry_count,
    coalesce(run.max_retries, 3) as max_retries, run.triggered_by, run.trigger_type,
    -- Events are dated by the database, a start by its worker, whose clock may be a little ahead.
    coalesce(greatest(run.created_at, run.started_at - interval '5 seconds'), :now) as began_at,
    run.trigger_event, run.execution_context, run.waits_for, run.waits_for_id,
    workflow.name as workflow_name, coalesce(workflow.owner_id, workflow.created_by) as workflow_owner,
    record.found as record, contact.found as contact, account.found as account, owner.found as owner,
    waiting.id as wait_step_id, waiting.position as wait_position, waiting.started_at as wait_since, waiting.wait_until,
    hook.state as webhook_state, hook.status_code as webhook_status, hook.reason as webhook_reason,
    trouble.subject is not null as has_incident
from workflow_executions run
join workflows workflow on workflow.id = run.workflow_id
left join incidents trouble on trouble.kind = 'workflow_failing' and trouble.subject = run.workflow_id::text
    and trouble.closed_at is null
left join lateral (
    select step.id, step.position, step.started_at, step.wait_until
    from workflow_steps step
    where step.execution_id = run.id and step.status = 'waiting'
    order by step.position desc
    limit 1
) waiting on run.waits_for is not null
left join workflow_webhooks hook on run.waits_for = 'webhook' and hook.id = run.waits_for_id
cross join lateral (
    select case run.entity_type
        when 'account' then (select to_jsonb(each) from accounts each where each.id = run.entity_id)
        when 'contact' then (select to_jsonb(each) from contacts each where each.id = run.entity_id)
        when 'deal' then (select to_jsonb(each) from deals each where each.id = run.entity_id)
        when 'job' then (select to_jsonb(each) from jobs each where each.id = run.entity_id)
        when 'submission' then (select to_jsonb(each) from submissions each where each.id = run.entity_id)
        when 'placement' then (select to_jsonb(each) from placements each where each.id = run.entity_id)
        when 'activity' then (select to_jsonb(each) from activities each where each.id = run.entity_id)
        when 'campaign_enrollment' then (select to_jsonb(each) from campaign_enrollments each where each.id = run.entity_id)
    end as found
) record
left join lateral (
    select to_jsonb(each) as found
    from contacts each
    where each.id = case
            when run.entity_type = 'contact' then run.entity_id
            when run.entity_type = 'activity' then
                case record.found ->> 'entity_type' when 'contact' then uuid_or_null(record.found ->> 'entity_id') end
            else uuid_or_null(coalesce(record.found ->> 'lead_contact_id', record.found ->> 'candidate_id', record.found ->> 'contact_id'))
        end
        and each.org_id = run.org_id and each.deleted_at is null
) contact on true
left join lateral (
    select to_jsonb(each) as found
    from accounts each
    where each.id = case
            when run.entity_type = 'account' then run.entity_id
            else uuid_or_null(coalesce(record.found ->> 'account_id', contact.found ->> 'account_id'))
        end
        and each.org_id = run.org_id and each.deleted_at is null
) account on true
left join lateral (
    select to_jsonb(each) as found
    from user_profiles each
    where each.id = uuid_or_null(coalesce(
            record.found ->> 'owner_id', record.found ->> 'assignee_id',
            case run.entity_type when 'campaign_enrollment' then contact.found ->> 'owner_id' end
        ))
        and each.org_id = run.org_id
) owner on true
where run.id = any (:ids::uuid[])
order by run.id;

-- name: read_senders
-- As whom an organization writes, and its postal address.
select
    organization.id as org_id, organization.postal_address, identity.id, identity.from_address, identity.from_name, identity.reply_to,
    identity.inbound_domain, identity.paused_at
from organizations organization
left join email_identities identity on identity.org_id = organization.id and identity.is_default
where organization.id = any (:orgs::uuid[]);

-- name: read_templates
-- The letters that steps name, by id or by slug.
select id, org_id, slug, subject, body_html, body_text, variables
from email_templates
where org_id = any (:orgs::uuid[]) and is_active and (id::text = any (:keys::text[]) or slug = any (:keys::text[]))
order by id;

-- name: read_people
-- Everybody to whom a step may give something.
select
    id, org_id, name, role, manager_id, deputy_id, is_active,
    -- Also `infinity`, which is no datetime.
    least(greatest(out_until, timestamptz '0001-01-02 00:00:00+00'), timestamptz '9999-12-30 00:00:00+00') as out_until
from user_profiles
where org_id = any (:orgs::uuid[])
order by id;

-- name: take_turns
-- Who came last in each pool, which is ours until the transaction ends: two runs never take the same turn.
insert into workflow_rotations as turn (workflow_id, pool)
select workflow_id, pool from :pools as wanted (workflow_id uuid, pool text) order by workflow_id, pool
on conflict (workflow_id, pool) do update set last_user_id = turn.last_user_id
returning workflow_id, pool, last_user_id;

-- name: take_budgets
-- What has been done today of workflows with a budget; nobody else counts on it until the transaction ends.
insert into workflow_effects as spent (workflow_id, day, kind, amount)
select workflow_id, cast(:day as date), kind, 0
from :budgets as wanted (workflow_id uuid, kind text)
order by workflow_id, kind
on conflict (workflow_id, day, kind) do update set amount = spent.amount
returning workflow_id, kind, amount;

-- name: read_happened
-- What happened to the people and records of runs since each of them began.
select asked.run_id, found.name, min(found.at) as at
from :asked as asked (run_id uuid, org_id uuid, since timestamptz, address text, contact_id uuid, entity_type text, entity_id uuid)
cross join lateral (
    select
        -- Its headers may still show an automatic answer.
        case
            when item.source <> 'resend' or item.headers_read_at is not null
                or item.received_at < cast(:now as timestamptz) - interval '15 minutes' then 'replied'
            else 'replied?'
        end as name,
        item.received_at as at
    from inbox_items item
    where normalise_address(item.from_address) = asked.address and item.received_at >= asked.since
        and (item.org_id = asked.org_id or item.org_id is null) and not item.is_auto_reply
    union all
    select case event.kind when 'hard_bounce' then 'bounced' else 'unsubscribed' end, event.occurred_at
    from consent_events event
    where event.channel = 'email' and event.address = asked.address and event.org_id = asked.org_id
        and event.occurred_at >= asked.since and event.kind in ('hard_bounce', 'opt_out', 'complaint')
    union all
    select substr(event.topic, 7), event.occurred_at
    from entity_events event
    where event.kind = 'event' and event.org_id = asked.org_id and event.occurred_at >= asked.since
        and (event.entity_type, event.entity_id) in ((asked.entity_type, asked.entity_id), ('contact', asked.contact_id))
) found
group by asked.run_id, found.name;

-- name: add_activities
-- Tasks and what was done, about the records of runs.
insert into activities (
    id, org_id, entity_type, entity_id, type, subject, description, status, priority, assignee_id, due_date, completed_at, metadata,
    created_by, created_at, updated_at
)
select
    id, org_id, entity_type, entity_id, type, subject, description, status, priority, assignee_id, due_date, completed_at, metadata,
    created_by, :now, :now
from :activities as activity (
    id uuid, org_id uuid, entity_type text, entity_id uuid, type text, subject text, description text, status text, priority text,
    assignee_id uuid, due_date timestamptz, completed_at timestamptz, metadata jsonb, created_by uuid
)
on conflict (id) do nothing;

-- name: name_causes
-- Which run and how deep a cause each write of this transaction has: events that follow from it carry them.
select set_config('app.workflow_causes', cast(:causes as text), true) as causes;

-- name: write_fields
-- Columns of records of one table, cast to its own types.
select written from write_workflow_fields(:target, :changes, :now) as written;

-- name: enter_states
-- Where the record of an instance stands.
update workflow_instances instance
set current_state_id = entered.state_id, updated_at = :now
from :states as entered (instance_id uuid, state_id uuid)
where instance.id = entered.instance_id;

-- name: record_turns
-- Who came last in each pool, for the next run.
update workflow_rotations turn
set last_user_id = taken.user_id
from :turns as taken (workflow_id uuid, pool text, user_id uuid)
where turn.workflow_id = taken.workflow_id and turn.pool = taken.pool;

-- name: count_effects
-- What counts against the budgets of today.
update workflow_effects spent
set amount = spent.amount + done.amount
from :effects as done (workflow_id uuid, kind text, amount integer)
where spent.workflow_id = done.workflow_id and spent.day = cast(:day as date) and spent.kind = done.kind;

-- name: add_webhooks
-- Requests that leave behind the commit; one that an operator repeats is the same request for its receiver.
insert into workflow_webhooks as hook (
    id, org_id, execution_id, action_id, url, host, method, headers, secret_ref, body, is_awaited, next_attempt_at, created_at, updated_at
)
select
    id, org_id, execution_id, action_id, url, host, method, headers, secret_ref, body, is_awaited, cast(:now as timestamptz), :now, :now
from :webhooks as webhook (
    id uuid, org_id uuid, execution_id uuid, action_id uuid, url text, host text, method text, headers jsonb, secret_ref text, body text,
    is_awaited boolean
)
on conflict (id) do update
set state = 'waiting', attempts = 0, next_attempt_at = excluded.next_attempt_at, action_id = excluded.action_id, reason = null,
    updated_at = excluded.updated_at,
    -- Of one that was erased nothing is left to repeat.
    url = case hook.reason when 'erased' then excluded.url else hook.url end,
    headers = case hook.reason when 'erased' then excluded.headers else hook.headers end,
    body = case hook.reason when 'erased' then excluded.body else hook.body end
where hook.state in ('failed', 'cancelled');

-- name: pause_workflows
-- A budget is used up: what is due waits until somebody resumes the workflow.
update workflows
set paused_at = :now, paused_reason = 'over_budget', updated_at = :now
where id = any (:ids::uuid[]) and paused_at is null;

-- name: postpone_runs
-- Another transaction has the record that they would write.
update workflow_executions set next_run_at = :until where id = any (:ids::uuid[]);

-- name: record_runs
-- Steps with their actions and lines of the log, waits that are over, and where each run is now.
-- A run that is over lets the next one of its record begin.
with step as (
    insert into workflow_steps (
        id, execution_id, step_key, step_type, step_name, step_config, position, status, started_at, completed_at, wait_until,
        wait_condition, result, error_message, created_at, state_id, transition_id
    )
    values :steps as step (
        id uuid, execution_id uuid, step_key text, step_type text, step_name text, step_config jsonb, position integer, status text,
        started_at timestamptz, completed_at timestamptz, wait_until timestamptz, wait_condition jsonb, result jsonb, error_message text,
        created_at timestamptz, state_id uuid, transition_id uuid
    )
),
action as (
    insert into workflow_actions (
        id, execution_id, step_id, action_type, action_config, status, started_at, completed_at, result, error_message, created_at
    )
    values :actions as action (
        id uuid, execution_id uuid, step_id uuid, action_type text, action_config jsonb, status text, started_at timestamptz,
        completed_at timestamptz, result jsonb, error_message text, created_at timestamptz
    )
),
line as (
    insert into workflow_execution_logs (execution_id, step_id, action_id, level, message, data, occurred_at)
    values :lines as line (
        execution_id uuid, step_id uuid, action_id uuid, level text, message text, data jsonb, occurred_at timestamptz
    )
),
over as (
    update workflow_steps step
    set status = wait.status, result = wait.result, error_message = wait.error_message, wait_until = wait.wait_until,
        completed_at = wait.completed_at
    from :waits as wait (
        id uuid, status text, result jsonb, error_message text, wait_until timestamptz, completed_at timestamptz
    )
    where step.id = wait.id and step.status = 'waiting'
),
answered as (
    update workflow_actions action
    set status = wait.status, result = wait.result, error_message = wait.error_message, completed_at = wait.completed_at
    from :answers as wait (step_id uuid, status text, result jsonb, error_message text, completed_at timestamptz)
    where action.step_id = wait.step_id
),
given as materialized (
    select *
    from :runs as given (
        id uuid, instance_id uuid, status text, place integer, position integer, next_run_at timestamptz, waits_for text, waits_for_id uuid,
        error_message text, retry_count integer, next_retry_at timestamptz, retry_of integer, total integer, is_over boolean
    )
),
released as (
    update workflow_executions queued
    set next_run_at = :now, updated_at = :now
    from given
    where given.is_over and queued.id = (
        select behind.id
        from workflow_executions behind
        where behind.instance_id = given.instance_id and behind.status = 'pending' and behind.next_run_at is null
            and behind.waits_for is null and behind.id <> given.id
        order by behind.created_at, behind.id
        limit 1
    )
)
update workflow_executions run
set status = given.status, current_step_index = given.place, total_steps = given.total, steps_done = given.position,
    next_run_at = given.next_run_at, waits_for = given.waits_for, waits_for_id = given.waits_for_id,
    error_message = given.error_message, retry_count = given.retry_count, next_retry_at = given.next_retry_at,
    started_at = coalesce(run.started_at, :now), completed_at = case when given.is_over then cast(:now as timestamptz) end,
    execution_context = coalesce(run.execution_context, '{}') - 'retry_of' || case
        when given.retry_of is null then '{}' else jsonb_build_object('retry_of', given.retry_of)
    end,
    updated_at = :now
from given
where run.id = given.id;

-- name: set_aside
-- A run that can neither be taken nor recorded; its incident keeps it from being claimed.
update workflow_executions
set error_message = :reason, updated_at = :now
where id = :id;
