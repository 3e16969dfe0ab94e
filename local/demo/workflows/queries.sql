-- name: insert_deal
-- A deal in progress, with a contact and a colleague who owns it; her manager is away, and has named a deputy.
with deputy as (
    insert into user_profiles (org_id, email, name) values (default_org_id(), :deputy, 'Dora') returning id
),
manager as (
    insert into user_profiles (org_id, email, name, deputy_id, out_until)
    select default_org_id(), :manager, 'Mina', id, now() + interval '30 days' from deputy
    returning id
),
owner as (
    insert into user_profiles (org_id, email, name, manager_id) select default_org_id(), :owner, 'Grace', id from manager
    returning id, org_id
),
contact as (
    insert into contacts (org_id, email, first_name, owner_id)
    select org_id, :contact, 'Ada', id from owner
    returning id
)
insert into deals (org_id, name, value, currency, status, stage, owner_id, lead_contact_id)
select owner.org_id, :name, 12500, 'EUR', 'open', 'discovery', owner.id, contact.id from owner, contact
returning id, owner_id;

-- name: set_status
-- As any application writes it.
update deals set status = :status where id = :id;

-- name: set_stage
-- As any application writes it.
update deals set stage = :stage where id = :id;

-- name: set_probability
-- As any application writes it.
update deals set probability = :probability where id = :id;

-- name: done_for
-- Tasks, and notifications of the owner, that the deal has led to.
select
    (
        select count(*)
        from activities
        where entity_type = 'deal' and entity_id = deal.id and type = 'task' and assignee_id = deal.owner_id
    )::integer as tasks,
    (select count(*) from notifications where user_id = deal.owner_id and title = 'Won: ' || deal.name)::integer as notifications
from deals deal
where deal.id = :id;

-- name: runs
-- Runs of these workflows by status.
select status, count(*)::integer as n from workflow_executions where workflow_id = any (:workflows::uuid[]) group by status;

-- name: not_started
-- The gates that kept events from starting a run, but for changes to a value that no trigger waits for.
select reason, count(*)::integer as n
from workflow_start_decisions
where workflow_id = any (:workflows::uuid[]) and verdict = 'not_started' and reason <> 'trigger'
group by reason;

-- name: webhook
-- The request, and whether the step behind it was taken.
select
    hook.state, hook.attempts,
    exists (select from activities where entity_type = 'deal' and entity_id = run.entity_id and type = 'note') as goes_on
from workflow_webhooks hook
join workflow_executions run on run.id = hook.execution_id
where run.workflow_id = :workflow;

-- name: asked
-- Each approval that waits: who is asked, in whose place, and the link in their notification.
select
    approval.id, approver.name as approver, principal.name as stands_for, approval.status, notification.action_url as link,
    approval.decided_by_name, approval.decided_via
from workflow_approvals approval
join workflow_executions run on run.id = approval.execution_id
join user_profiles approver on approver.id = approval.approver_id
left join user_profiles principal on principal.id = approval.stands_for
left join notifications notification on notification.entity_id = approval.id and notification.entity_type = 'workflow_approval'
where run.workflow_id = :workflow;
