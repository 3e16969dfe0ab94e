-- name: insert_people
-- A workspace, a colleague, and twelve contacts of hers, who are the ones that go there.
with place as (
    insert into workspaces (org_id, name) values (default_org_id(), 'Wingtip') returning id, org_id
),
owner as (
    insert into user_profiles (org_id, email, name) select org_id, :owner, 'Mary' from place returning id, org_id
),
people as (
    insert into contacts (org_id, owner_id, email, first_name, last_name, company_name)
    select org_id, id, 'base' || n || '@example.net', 'Ada', 'Byron', case n when 1 then :unknown else :known end
    from owner, generate_series(1, 12) n
)
select place.id as workspace, owner.id as owner from place, owner;

-- name: connection
-- What an operator sees of it.
select id, status, held_for from integration_connections where workspace_id = :workspace;

-- name: is_equal
-- Whether both sides were equal after the last complete pass, and how many records there were.
select compared -> 'is_equal' as is_equal, compared -> 'theirs' as theirs
from integration_checkpoints
where connection_id = :connection;

-- name: rejects
-- Records that one side refused.
select reason from integration_rejects where connection_id = :connection;

-- name: edit
-- As any application writes it.
update contacts set first_name = :first, last_name = :last, updated_at = clock_timestamp() where email = :email;

-- name: mend
-- As any application writes it.
update contacts set company_name = :known, updated_at = clock_timestamp() where email = :email;

-- name: contact
-- As it is here.
select first_name, last_name from contacts where email = :email and deleted_at is null;
