-- name: insert_place
-- A workspace, and a contact who is in a campaign.
with place as (
    insert into workspaces (org_id, name) values (default_org_id(), 'Fourth Coffee') returning id, org_id
),
person as (
    insert into contacts (org_id, email, first_name) select org_id, :email, 'Grace' from place returning id
)
select place.id as workspace, person.id as contact from place, person;

-- name: connection
-- What an operator sees of the mailbox.
select id, held_for, account_label from integration_connections where workspace_id = :workspace;

-- name: insert_pitch
-- As any application writes it.
insert into pitches (workspace_id, address, subject, body_text, status)
values (:workspace, :address, 'An idea for you', 'Hello, here is an idea.', 'queued')
returning id;

-- name: pitch
-- What became of it.
select status, held_for from pitches where id = :id;

-- name: minutes_later
-- It is looked for now instead of in five minutes.
update pitches set not_before = '-infinity', claimed_until = null where id = :id;

-- name: enrollment
-- What became of the person's sequence.
select status from campaign_enrollments where contact_id = :contact;

-- name: inbox
-- Replies that the mailbox has brought.
select count(*)::integer as n from inbox_items where source = 'gmail' and not is_auto_reply and workspace_id = :workspace;
