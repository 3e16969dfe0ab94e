-- name: rename_records
-- Records that were written before their lasting id was known.
update integration_records record
set their_id = it.their_id
from jsonb_to_recordset(:aliases) as it (their_id text, former_id text)
where record.connection_id = :connection and record.stream = :stream and record.their_id = it.former_id
    and not exists (
        select
        from integration_records twin
        where twin.connection_id = :connection and twin.stream = :stream and twin.their_id = it.their_id
    );

-- name: rename_standings
-- The same of who left.
update integration_standings known
set their_id = it.their_id
from jsonb_to_recordset(:aliases) as it (their_id text, former_id text)
where known.connection_id = :connection and known.stream = :stream and known.their_id = it.former_id
    and not exists (
        select
        from integration_standings twin
        where twin.connection_id = :connection and twin.stream = :stream and twin.their_id = it.their_id
    );

-- name: forget_former
-- Those of a record that has a standing under its lasting id already.
delete from integration_standings
where connection_id = :connection and stream = :stream
    and their_id in (select it.former_id from jsonb_to_recordset(:aliases) as it (former_id text));

-- name: standings_of
-- Who of these left, and whether with the address that they have now.
select
    known.their_id, known.standing,
    known.address_key = erased_key(it.address, (select value from installation_settings where key = 'erasure_salt')) as is_same
from jsonb_to_recordset(:given) as it (their_id text, address text)
join integration_standings known
    on known.connection_id = :connection and known.stream = :stream and known.their_id = it.their_id;

-- name: facts_of
-- What the ledgers know of these addresses and of the organization's contacts who have them.
with person as materialized (
    select id, normalise_address(email) as address
    from contacts
    where normalise_address(email) = any (cast(:addresses as text[])) and org_id is not distinct from :org and deleted_at is null
)
select
    coalesce(fact.address, person.address) as address, fact.org_id, fact.kind, fact.occurred_at, fact.recorded_at, fact.source
from consent_facts('email', cast(:addresses as text[]), array(select id from person)) fact
left join person on person.id = fact.contact_id;

-- name: put_standings
-- Who left, or has to.
insert into integration_standings as known (connection_id, stream, their_id, address_key, standing, changed_at)
select
    :connection, :stream, it.their_id,
    erased_key(it.address, (select value from installation_settings where key = 'erasure_salt')), it.standing, :now
from jsonb_to_recordset(:standings) as it (their_id text, address text, standing text)
order by it.their_id
on conflict (connection_id, stream, their_id) do update
set
    address_key = excluded.address_key, standing = excluded.standing, reason = null, attempts = 0, retry_at = null,
    changed_at = excluded.changed_at;

-- name: drop_standings
-- Who came back there, or is gone for good.
delete from integration_standings
where connection_id = :connection and stream = :stream and their_id = any (cast(:their_ids as text[]));

-- name: ledger_end
-- Up to where the stream was compared with the ledger, and where that ends now.
select
    coalesce((select max(id) from consent_events), 0) as newest,
    coalesce(
        (select ledger_seen from integration_checkpoints where connection_id = :connection and stream = :stream), 0
    ) as seen;

-- name: newly_out
-- Linked records whose people opted out at this address or one before, and who are not known to have left there; also of deleted contacts.
with concerned as materialized (
    select person.id, normalise_address(person.email) as address
    from consent_events event
    join contacts person on normalise_address(person.email) = event.address and person.org_id = :org
    where event.id > :after and event.channel = 'email' and event.kind in ('opt_out', 'complaint')
    union
    select person.id, normalise_address(person.email)
    from contact_opt_outs stamp
    join contacts person on person.id = stamp.contact_id and person.org_id = :org
    where stamp.channel = 'email'
)
select distinct on (record.their_id) record.their_id, concerned.address
from concerned
join integration_records record
    on record.our_id = concerned.id and record.connection_id = :connection and record.stream = :stream and record.state is null
where concerned.address is not null
    and not exists (
        select
        from integration_standings known
        where known.connection_id = :connection and known.stream = :stream and known.their_id = record.their_id
    )
order by record.their_id;

-- name: out_without_record
-- Addresses that opted out since then and that no linked record has: whether one there has them, only the other side knows.
select distinct event.address
from consent_events event
where event.id > :after
    -- Each once, but for those that were recorded a moment ago; behind a complete pass those that it may have passed over.
    and (event.id > :seen or event.recorded_at > clock_timestamp() - interval '15 minutes')
    and (cast(:since as timestamptz) is null or event.recorded_at > cast(:since as timestamptz) - interval '5 minutes')
    and event.channel = 'email' and (event.kind = 'complaint' or event.kind = 'opt_out' and event.org_id = :org)
    and not exists (
        select
        from contacts person
        join integration_records record
            on record.our_id = person.id and record.connection_id = :connection and record.stream = :stream
            and record.state is null
        where normalise_address(person.email) = event.address and person.org_id = :org
    )
    and not exists (
        select
        from integration_standings known
        where known.connection_id = :connection and known.stream = :stream
            and known.address_key = erased_key(event.address, (select value from installation_settings where key = 'erasure_salt'))
    )
order by event.address;

-- name: save_ledger_seen
-- Behind what was noted of it.
update integration_checkpoints set ledger_seen = :seen where connection_id = :connection and stream = :stream;

-- name: leaving
-- Who has to be unsubscribed there now, with the address that their contact has here, if there is one.
select known.their_id, known.attempts, normalise_address(person.email) as address
from integration_standings known
left join integration_records record
    on record.connection_id = known.connection_id and record.stream = known.stream and record.their_id = known.their_id
left join contacts person on person.id = record.our_id
where known.connection_id = :connection and known.stream = :stream and known.standing = 'leaving'
    and coalesce(known.retry_at <= :now, true)
order by known.their_id
limit :limit;

-- name: settle_leaving
-- What the other side said: unsubscribed, or not yet and why.
update integration_standings known
set
    standing = it.standing, reason = it.reason, attempts = known.attempts + 1,
    retry_at = cast(it.retry_at as timestamptz), changed_at = :now
from jsonb_to_recordset(:settled) as it (their_id text, standing text, reason text, retry_at text)
where known.connection_id = :connection and known.stream = :stream and known.their_id = it.their_id
    and known.standing = 'leaving';

-- name: left_among
-- Which of these addresses left there under any record.
select it.address, min(known.standing) as standing
from unnest(cast(:addresses as text[])) as it (address)
join integration_standings known
    on known.address_key = erased_key(it.address, (select value from installation_settings where key = 'erasure_salt'))
    and known.connection_id = :connection and known.stream = :stream
group by it.address;

-- name: erase_standings
-- Nothing says any more that somebody with these addresses left.
delete from integration_standings
where address_key in (
    select erased_key(mark, (select value from installation_settings where key = 'erasure_salt'))
    from unnest(cast(:addresses as text[])) as mark
)
returning their_id;

-- name: audience_of
-- Where a webhook's deliveries belong to.
select connection.id, connection.settings ->> 'list_id' as list_id, connection.integration_type, workspace.org_id
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id
where connection.id = any (cast(:connections as uuid[])) and connection.status <> 'disconnected'
order by connection.id;

-- name: bring_forward
-- Something changed there: the next sync does not wait for its time.
update integration_connections
set next_sync_at = :now, updated_at = :now
where id = any (cast(:connections as uuid[])) and next_sync_at > cast(:now as timestamptz) + interval '1 minute'
    and held_for is null and status = 'active';
