-- name: data_keys
-- Every data key, encrypted: a secret names the one that it was encrypted by.
select version, encrypted_key from integration_keys order by version;

-- name: add_data_key
-- One more data key; of two that are made at once the first stays.
insert into integration_keys (version, encrypted_key, key_name)
values (:version, :encrypted, :key_name)
on conflict do nothing;

-- name: read_secret
-- One connection's grant, encrypted, with the state of its refresh by the clock of the database.
select
    ciphertext, key_version, generation, expires_at, refresh_expires_at, refreshed_at,
    case when refresh_until > clock_timestamp() then refresh_until end as refresh_until,
    refused_generation is not distinct from generation as is_refused
from integration_secrets
where connection_id = :connection;

-- name: take_refresh_lease
-- Compare-and-set: one worker refreshes this generation, until it has stored the answer or the lease is over.
update integration_secrets
set
    lease = :lease, refresh_until = clock_timestamp() + make_interval(secs => :seconds), updated_at = clock_timestamp()
where connection_id = :connection and generation = :generation
    and refused_generation is distinct from generation
    and (refresh_until is null or refresh_until <= clock_timestamp())
returning ciphertext, key_version, generation;

-- name: store_refreshed
-- The answer of a refresh, unless a newer grant is stored.
update integration_secrets
set
    ciphertext = :ciphertext, key_version = :key_version, generation = generation + 1, expires_at = :expires_at,
    refresh_expires_at = coalesce(:refresh_expires_at, refresh_expires_at), has_refresh_token = :has_refresh_token,
    refreshed_at = clock_timestamp(), refresh_until = null, lease = null, refused_generation = null,
    updated_at = clock_timestamp()
where connection_id = :connection and generation = :generation
returning generation;

-- name: put_grant
-- A grant that was given by hand or by a callback: it replaces every older one.
insert into integration_secrets (
    connection_id, ciphertext, key_version, generation, expires_at, refresh_expires_at, has_refresh_token
)
values (
    :connection, :ciphertext, :key_version, :generation, :expires_at, :refresh_expires_at, :has_refresh_token
)
on conflict (connection_id) do update
set
    ciphertext = excluded.ciphertext, key_version = excluded.key_version, generation = excluded.generation,
    expires_at = excluded.expires_at, refresh_expires_at = excluded.refresh_expires_at,
    has_refresh_token = excluded.has_refresh_token, refreshed_at = clock_timestamp(), refresh_until = null, lease = null,
    refused_generation = null, updated_at = clock_timestamp()
where integration_secrets.generation = excluded.generation - 1
returning generation;

-- name: release_refresh_lease
-- A refresh that failed for now: another worker may try at once.
update integration_secrets
set refresh_until = null, lease = null, updated_at = clock_timestamp()
where connection_id = :connection and lease = :lease;

-- name: refuse_generation
-- The vendor refused this grant for good; says so once, and never of a newer one.
update integration_secrets
set refused_generation = generation, refresh_until = null, lease = null, updated_at = clock_timestamp()
where connection_id = :connection and generation = :generation and refused_generation is distinct from generation
returning generation;

-- name: ask_again
-- Somebody wants to know whether a grant that was refused for good opens the account by now: the vendor is asked once more.
update integration_secrets
set refused_generation = null, updated_at = clock_timestamp()
where connection_id = :connection and refused_generation = generation
returning generation;

-- name: forget_grant
-- A disconnected account leaves nothing that opens it.
delete from integration_secrets where connection_id = :connection;

-- name: grants_to_refresh
-- Grants that expire and were not refreshed for a day, of connections that are to stay connected.
select secret.connection_id
from integration_secrets secret
join integration_connections connection on connection.id = secret.connection_id
where secret.expires_at is not null and secret.has_refresh_token
    and secret.refused_generation is distinct from secret.generation
    and secret.refreshed_at < cast(:now as timestamptz) - make_interval(secs => :seconds)
    and connection.status <> 'disconnected'
order by secret.refreshed_at
limit :limit;

-- name: secrets_of_older_keys
-- What is encrypted by a data key before the newest, some at a time.
select connection_id, ciphertext, key_version, generation
from integration_secrets
where key_version < :newest and connection_id > :after
order by connection_id
limit :limit;

-- name: encrypt_again
-- The same secrets by the newest key, unless they were replaced meanwhile.
update integration_secrets secret
set ciphertext = it.ciphertext, key_version = :newest, updated_at = clock_timestamp()
from :secrets as it (connection_id uuid, generation bigint, ciphertext bytea)
where secret.connection_id = it.connection_id and secret.generation = it.generation
returning secret.connection_id;

-- name: take_plaintext
-- Credentials that were inserted by hand: the row is locked until they are moved.
select id, credentials
from integration_connections
where id = :connection and credentials is not null and credentials <> '{}'::jsonb
for no key update;

-- name: blank_plaintext
-- Moved: nothing is left to read.
update integration_connections set credentials = '{}', updated_at = clock_timestamp() where id = :connection;
