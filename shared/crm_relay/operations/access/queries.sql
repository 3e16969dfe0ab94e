-- name: create_token
-- A name is used once, also by a token that was revoked.
insert into api_tokens (name, sha256, role, user_id, expires_at, created_by, created_at)
values (:name, :sha256, :role, :user_id, :expires_at, :created_by, :now)
on conflict do nothing
returning name;

-- name: usable_tokens
-- All that a caller's token is compared with; that of a colleague who is not active any more opens nothing.
select token.name, token.sha256, token.role, token.last_used_at, token.user_id
from api_tokens token
where token.revoked_at is null and (token.expires_at is null or token.expires_at > cast(:now as timestamptz))
    and (token.user_id is null or exists (select from user_profiles person where person.id = token.user_id and person.is_active));

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

-- name: create_link
-- A link that signs in once; links that ended a day ago are forgotten with it.
with gone as (
    delete from sign_in_links where expires_at < cast(:now as timestamptz) - interval '1 day'
)
insert into sign_in_links (sha256, role, user_id, created_by, created_at, expires_at)
values (:sha256, :role, :user_id, :created_by, :now, :expires_at);

-- name: use_link
-- The first to come with the code gets the token: a second one waits for the row and finds it used.
with used as (
    update sign_in_links link
    set used_at = :now
    where link.sha256 = :sha256 and link.used_at is null and link.expires_at > cast(:now as timestamptz)
        and (link.user_id is null or exists (select from user_profiles person where person.id = link.user_id and person.is_active))
    returning link.role, link.user_id, link.created_by
)
insert into api_tokens (name, sha256, role, user_id, expires_at, created_by, created_at)
select cast(:name as text), cast(:token_sha256 as text), role, user_id, cast(:expires_at as timestamptz), created_by, cast(:now as timestamptz)
from used
returning name, role;
