-- name: runs_of_person
-- The newest runs, and starts that were refused, of the contacts with these addresses and of records that name them; without values.
with contact as materialized (
    select id from contacts where normalise_address(email) = any (:addresses::text[])
),
record as materialized (
    select 'contact' as entity_type, id from contact
    union all
    select 'campaign_enrollment', id from campaign_enrollments where contact_id in (select id from contact)
    union all
    select 'activity', id from activities where entity_type = 'contact' and entity_id in (select id from contact)
    union all
    select 'deal', id from deals where lead_contact_id in (select id from contact)
    union all
    select 'submission', id from submissions where candidate_id in (select id from contact)
    union all
    select 'placement', id from placements where candidate_id in (select id from contact)
),
run as (
    select
        run.created_at as at, run.id as execution_id, run.workflow_id, workflow.name, run.entity_type, run.entity_id, run.status,
        coalesce(run.error_message, run.waits_for) as reason, run.next_run_at
    from record
    join workflow_executions run on run.entity_type = record.entity_type and run.entity_id = record.id
    join workflows workflow on workflow.id = run.workflow_id
    order by run.created_at desc, run.id
    limit :limit
),
refused as (
    select
        decision.decided_at as at, null::uuid as execution_id, decision.workflow_id, workflow.name, decision.entity_type,
        decision.entity_id, decision.verdict as status, decision.reason, null::timestamptz as next_run_at
    from record
    join workflow_start_decisions decision on decision.entity_type = record.entity_type and decision.entity_id = record.id
    join workflows workflow on workflow.id = decision.workflow_id
    where decision.verdict = 'not_started'
    order by decision.id desc
    limit :limit
)
select * from run
union all
select * from refused
order by at desc, workflow_id, entity_id;
