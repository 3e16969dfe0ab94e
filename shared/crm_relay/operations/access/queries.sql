-- name: create_token
-- A name is used once, also by a token that was revoked.
insert into api_tokens (name, sha256, role, user_id, expires_at, created_by, created_at)
values (:name, :sha256, :role, :user_id, :expires_at, :created_by, :now)
on conflict do nothing
returning name;

-- name: usable_tokens
-- All that a caller's token is compared with.
select name, sha256, role, last_used_at, user_id
from api_tokens
where revoked_at is null and (expires_at is null or expires_at > cast(:now as timestamptz));

-- name: note_token_use
-- For anyone who asks which tokens are still needed.
update api_tokens set last_used_at = :now where name = :name;

-- name: tokens
-- Everything but the hash, the newest first.
select name, role, created_at, created_by, expires_at, last_used_at, revoked_at, user_id from api_tokens order by created_at desc, name;

-- name: revoke_token
-- The first time counts, however often it is asked for.
update api_tokens
set revoked_at = coalesce(revoked_at, :now)
where name = :name
returning name, role, created_at, created_by, expires_at, last_used_at, revoked_at, user_id;

-- name: colleague
-- Who has this id or address and is active.
select id
from user_profiles
where is_active and (id = uuid_or_null(:called) or normalise_address(email) = normalise_address(:called))
order by id
limit 2;
