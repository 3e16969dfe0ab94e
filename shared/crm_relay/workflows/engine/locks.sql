-- name: lock_accounts
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from accounts where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_contacts
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from contacts where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_deals
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from deals where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_jobs
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from jobs where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_submissions
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from submissions where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_placements
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from placements where id = any (:ids::uuid[]) order by id for no key update skip locked;

-- name: lock_activities
-- Before they are read, since a write follows from what is read; what another transaction has is left out.
select id from activities where id = any (:ids::uuid[]) order by id for no key update skip locked;
