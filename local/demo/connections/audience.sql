-- name: insert_people
-- A workspace, a colleague, and two contacts of hers: one who is in Mautic as well, and one who will opt out here.
with place as (
    insert into workspaces (org_id, name) values (default_org_id(), 'Tailspin') returning id, org_id
),
owner as (
    insert into user_profiles (org_id, email, name) select org_id, :owner, 'Nora' from place returning id, org_id
),
people as (
    insert into contacts (org_id, owner_id, email, first_name)
    select org_id, id, address, 'Ada' from owner, unnest(cast(:addresses as text[])) as address
)
select place.id as workspace, owner.id as owner from place, owner;

-- name: connection
-- What an operator sees of it.
select id, held_for from integration_connections where workspace_id = :workspace;

-- name: opt_out
-- As any application writes it.
insert into consent_events (org_id, channel, address, kind, source, occurred_at)
values (default_org_id(), 'email', :address, 'opt_out', 'crm', clock_timestamp());

-- name: departures
-- Who left there, by the ledger of consent.
select count(*)::integer as n from consent_events where source = 'mailchimp' and kind = 'opt_out' and address = normalise_address(:address);
