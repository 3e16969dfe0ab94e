-- name: add_mail
-- A delivered mail to a made-up reader, for the page behind its link to unsubscribe.
insert into email_sends (send_key, recipient_email, address, subject, topic, status, unsubscribe_token, queued_at, sent_at, delivered_at)
values ('sample:' || :token, :address, :address, 'A sample', 'sample', 'delivered', :token, :now, :now, :now)
returning unsubscribe_token;

-- name: add_workspace
-- The workspace whose account a sample connects.
with known as (select id from workspaces where name = :name limit 1),
made as (insert into workspaces (name) select :name where not exists (select from known) returning id)
select id from known union all select id from made;

-- name: add_approval
-- An approval of a made-up colleague, whose run is paused so that no engine goes on with it.
with person as (
    insert into user_profiles (id, org_id, name)
    values (gen_random_uuid(), default_org_id(), 'Sample approver')
    returning id, org_id
),
workflow as (
    insert into workflows (org_id, name, entity_type)
    select org_id, 'Sample of an approval', 'deal'
    from person
    returning id, org_id
),
instance as (
    insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)
    select org_id, id, 'deal', gen_random_uuid()
    from workflow
    returning id, org_id, workflow_id
),
run as (
    insert into workflow_executions (org_id, instance_id, workflow_id, status, paused_at, trigger_type, entity_type)
    select org_id, id, workflow_id, 'paused', :now, 'manual', 'deal'
    from instance
    returning id, org_id
),
approval as (
    insert into workflow_approvals (org_id, execution_id, approver_id, approver_type, title, requested_at)
    select run.org_id, run.id, person.id, 'user', 'A sample of an approval', :now
    from run
    cross join person
    returning id
)
insert into workflow_approval_links (sha256, approval_id, created_at)
select :sha256, id, :now
from approval
returning sha256;
