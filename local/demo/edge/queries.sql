-- name: add_prospects
-- As a CRM does it.
insert into prospects (name, city) select 'Prospect ' || n, 'Berlin' from generate_series(1, :count) n returning id;

-- name: move
-- Somebody edits one.
update prospects set city = 'Hamburg' where id = :id;

-- name: leave
-- Somebody deletes one.
delete from prospects where id = :id;

-- name: rename
-- PostgreSQL writes to an e-mail, too.
update emails set subject = 'Written in PostgreSQL', updated_at = :at where id = :id;

-- name: subject
-- What PostgreSQL has.
select subject from emails where id = :id;

-- name: ids
-- What should be at the edge.
select id from edge_source where entity = :entity;

-- name: in_berlin
-- One that nobody has touched.
select id from prospects where city = 'Berlin' order by id limit 1;

-- name: drifts
-- What the check made of it.
select status from integrity_findings where check_name = 'drift' and row_id = cast(cast(:id as uuid) as text);
