-- name: lock_linked
-- The contacts that a page is about, before they are read: by link and by address, in the order of their ids.
select id
from contacts
where id in (
    select record.our_id
    from integration_records record
    where record.connection_id = :connection and record.stream = :stream and record.their_id = any (cast(:their_ids as text[]))
    union all
    select sent.our_id
    from integration_unconfirmed sent
    where sent.connection_id = :connection and sent.stream = :stream and sent.sent_address = any (cast(:sent_addresses as text[]))
    union all
    select contact.id
    from contacts contact
    where normalise_address(contact.email) = any (cast(:addresses as text[])) and contact.org_id is not distinct from :org
)
order by id
for no key update;

-- name: read_linked
-- Of each record of a page its contact: by link, else by a creation that was not confirmed, else the oldest one by address.
with given as materialized (
    select their_id, address, sent_address
    from jsonb_to_recordset(:given) as record (their_id text, address text, sent_address text)
)
select
    given.their_id, record.our_id as linked_id, record.fields as agreed, record.hash, record.state, sent.fields as sent,
    record.our_version as known_version,
    contact.id as our_id, contact.xmin::text as our_version, contact.updated_at, contact.deleted_at is not null as is_deleted,
    jsonb_build_object(
        'email', contact.email, 'phone', contact.phone, 'first_name', contact.first_name, 'last_name', contact.last_name,
        'company_name', contact.company_name, 'title', contact.title, 'timezone', contact.timezone,
        'linkedin_url', contact.linkedin_url, 'status', contact.status
    ) as fields,
    taken.their_id as taken_by,
    given.address = any ((select erased_among(array(select address from given where address is not null)))::text[]) as is_erased,
    record.our_id is null and sent.our_id is null and match.id is null and exists (
        select
        from contacts deleted
        where normalise_address(deleted.email) = given.address and deleted.org_id is not distinct from :org and deleted.deleted_at is not null
    ) as was_deleted
from given
left join integration_records record
    on record.connection_id = :connection and record.stream = :stream and record.their_id = given.their_id
left join lateral (
    select unconfirmed.our_id, unconfirmed.fields
    from integration_unconfirmed unconfirmed
    where unconfirmed.connection_id = :connection and unconfirmed.stream = :stream
        and (
            (record.our_id is not null and unconfirmed.our_id = record.our_id)
            or (
                record.their_id is null and unconfirmed.sent_address = given.sent_address
                and exists (select from contacts contact where contact.id = unconfirmed.our_id)
            )
        )
    limit 1
) sent on true
left join lateral (
    select candidate.id
    from contacts candidate
    where record.our_id is null and sent.our_id is null and normalise_address(candidate.email) = given.address and candidate.org_id is not distinct from :org
        and candidate.deleted_at is null
    order by candidate.created_at, candidate.id
    limit 1
) match on true
left join contacts contact on contact.id = coalesce(record.our_id, sent.our_id, match.id)
left join integration_records taken
    on record.our_id is null and taken.connection_id = :connection and taken.stream = :stream
    and taken.our_id = coalesce(sent.our_id, match.id);

-- name: update_contacts
-- What came in, columns that are named alone.
update contacts contact
set
    email = case when it.fields ? 'email' then it.fields ->> 'email' else contact.email end,
    phone = case when it.fields ? 'phone' then it.fields ->> 'phone' else contact.phone end,
    first_name = case when it.fields ? 'first_name' then it.fields ->> 'first_name' else contact.first_name end,
    last_name = case when it.fields ? 'last_name' then it.fields ->> 'last_name' else contact.last_name end,
    company_name = case when it.fields ? 'company_name' then it.fields ->> 'company_name' else contact.company_name end,
    title = case when it.fields ? 'title' then it.fields ->> 'title' else contact.title end,
    timezone = case when it.fields ? 'timezone' then it.fields ->> 'timezone' else contact.timezone end,
    linkedin_url = case when it.fields ? 'linkedin_url' then it.fields ->> 'linkedin_url' else contact.linkedin_url end,
    updated_at = :now
from jsonb_to_recordset(:changes) as it (id uuid, fields jsonb)
where contact.id = it.id;

-- name: insert_contacts
-- People that only the other side knew.
insert into contacts (
    id, org_id, email, phone, first_name, last_name, company_name, title, timezone, linkedin_url, created_at, updated_at
)
select
    id, :org, fields ->> 'email', fields ->> 'phone', fields ->> 'first_name', fields ->> 'last_name',
    fields ->> 'company_name', fields ->> 'title', fields ->> 'timezone', fields ->> 'linkedin_url', :now, :now
from jsonb_to_recordset(:contacts) as it (id uuid, fields jsonb);

-- name: archive_linked
-- The contacts of records that are gone there, where the settings say that they go here too.
update contacts set deleted_at = :now, updated_at = :now
where id in (
        select our_id
        from integration_records
        where connection_id = :connection and stream = :stream and their_id = any (cast(:their_ids as text[])) and our_id is not null
    )
    and deleted_at is null;

-- name: put_records
-- What both sides hold by now, settled at our version where nothing is to be sent; who was erased meanwhile has to go there.
with given as materialized (
    select *
    from jsonb_to_recordset(:records) as record (
        their_id text, our_id uuid, address text, fields jsonb, hash text, our_version text, is_settled boolean,
        seen_in_pass bigint, state text
    )
),
erased as materialized (
    select erased_among(array(select address from given where address is not null)) as addresses
)
insert into integration_records (
    connection_id, stream, their_id, our_id, fields, hash, our_version, seen_in_pass, state, updated_at
)
select
    :connection, :stream, it.their_id, case when not it.is_erased then it.our_id end,
    case when it.is_erased then '{}' else it.fields end, case when it.is_erased then '' else it.hash end,
    case when it.is_settled and not it.is_erased then coalesce(it.our_version, contact.xmin::text) end, it.seen_in_pass,
    case when it.is_erased then 'remove' else it.state end, :now
from (
    select given.*, coalesce(given.address = any (erased.addresses), false) as is_erased
    from given
    cross join erased
) it
left join contacts contact on contact.id = it.our_id
order by it.their_id
on conflict (connection_id, stream, their_id) do update
set
    our_id = excluded.our_id, fields = excluded.fields, hash = excluded.hash, our_version = excluded.our_version,
    seen_in_pass = greatest(integration_records.seen_in_pass, excluded.seen_in_pass), state = excluded.state,
    updated_at = excluded.updated_at
where integration_records.state is distinct from 'remove';

-- name: put_unconfirmed
-- Before they are sent: a later attempt replaces what an earlier one of the same record sent.
insert into integration_unconfirmed (connection_id, stream, our_id, sent_address, fields, sent_at)
select :connection, :stream, it.our_id, it.sent_address, it.fields, :now
from jsonb_to_recordset(:sent) as it (our_id uuid, sent_address text, fields jsonb)
order by it.our_id
on conflict (connection_id, stream, our_id) do update
set sent_address = excluded.sent_address, fields = excluded.fields, sent_at = excluded.sent_at;

-- name: clear_confirmed
-- The other side answered for these.
delete from integration_unconfirmed
where connection_id = :connection and stream = :stream and our_id = any (cast(:our_ids as uuid[]));

-- name: clear_unconfirmed
-- Their changes were read to the end since: what was carried out is known by now.
delete from integration_unconfirmed where connection_id = :connection and stream = :stream;

-- name: mark_seen
-- Records that a complete pass read as we know them.
update integration_records
set seen_in_pass = :pass
where connection_id = :connection and stream = :stream and their_id = any (cast(:their_ids as text[]))
    and seen_in_pass < :pass;

-- name: read_checkpoint
-- Where a stream is, and how many records it is known to have.
select
    checkpoint.cursor, checkpoint.pass, checkpoint.pass_began_at, checkpoint.pass_read, checkpoint.completed_at,
    checkpoint.compared, checkpoint.stopped_reason, checkpoint.departures_cursor,
    (
        select count(*)
        from integration_records record
        where record.connection_id = :connection and record.stream = :stream and record.state is null
    ) as known
from (select 1) one
left join integration_checkpoints checkpoint on checkpoint.connection_id = :connection and checkpoint.stream = :stream;

-- name: save_checkpoint
-- Behind what is stored, in the same transaction.
insert into integration_checkpoints (
    connection_id, stream, cursor, pass, pass_began_at, pass_read, completed_at, compared, stopped_reason, updated_at
)
values (
    :connection, :stream, :cursor, :pass, :pass_began_at, :pass_read, :completed_at, :compared, null, :now
)
on conflict (connection_id, stream) do update
set
    cursor = excluded.cursor, pass = excluded.pass, pass_began_at = excluded.pass_began_at, pass_read = excluded.pass_read,
    completed_at = excluded.completed_at, compared = coalesce(excluded.compared, integration_checkpoints.compared),
    stopped_reason = null, departures_cursor = null, updated_at = excluded.updated_at;

-- name: save_departures_cursor
-- Who left was read up to there, and nothing else was.
update integration_checkpoints set departures_cursor = :cursor where connection_id = :connection and stream = :stream;

-- name: save_comparison
-- What a comparison of both sides found, until the next one.
update integration_checkpoints set compared = :compared, updated_at = :now
where connection_id = :connection and stream = :stream;

-- name: stop_stream
-- What stopped a stream alone, for those who ask.
insert into integration_checkpoints (connection_id, stream, stopped_reason, updated_at)
values (:connection, :stream, :reason, :now)
on conflict (connection_id, stream) do update set stopped_reason = excluded.stopped_reason, updated_at = excluded.updated_at;

-- name: outgoing_page
-- Contacts that are not there yet or changed since both sides were compared, page by page; of one address the oldest.
select
    contact.id, contact.xmin::text as our_version, contact.updated_at, record.their_id, record.fields as agreed,
    coalesce(record.seen_in_pass, 0) as seen_in_pass, normalise_address(contact.email) as address,
    reject.attempts,
    jsonb_build_object(
        'email', contact.email, 'phone', contact.phone, 'first_name', contact.first_name, 'last_name', contact.last_name,
        'company_name', contact.company_name, 'title', contact.title, 'timezone', contact.timezone,
        'linkedin_url', contact.linkedin_url, 'status', contact.status
    ) as fields
from contacts contact
left join integration_records record
    on record.connection_id = :connection and record.stream = :stream and record.our_id = contact.id
left join integration_rejects reject
    on reject.connection_id = :connection and reject.stream = :stream and reject.direction = 'to_external'
    and reject.record_id = contact.id::text
-- By the index of addresses for each row: neither as an anti-join over the whole table, nor by the index of organizations.
left join lateral (
    select first.id
    from contacts first
    where normalise_address(first.email) = normalise_address(contact.email) and first.org_id is not distinct from contact.org_id
        and first.deleted_at is null
    order by first.created_at, first.id
    limit 1
) oldest on record.our_id is null
where contact.org_id = :org and contact.deleted_at is null and contact.id > :after
    and record.state is null and (record.our_id is null or record.our_version is distinct from contact.xmin::text)
    and (
        reject.record_id is null or reject.retry_at <= :now or reject.our_version is distinct from contact.xmin::text
    )
    and normalise_address(contact.email) is not null
    and (record.our_id is not null or oldest.id = contact.id)
    -- The filter says who is sent; who is there already stays in step.
    and (
        record.our_id is not null or (
            (cast(:owner as uuid) is null or contact.owner_id = :owner)
            and (cast(:status as text) is null or contact.status = :status)
            and (
                cast(:segment as text) is null or exists (
                    select
                    from customer_emails address
                    join customer_segment_links link on link.customer_id = address.customer_id
                    join segments segment on segment.id = link.segment_id
                    where normalise_address(address.email) = normalise_address(contact.email) and segment.slug = :segment
                )
            )
        )
    )
order by contact.id
limit :limit;

-- name: unseen_records
-- Linked records that a complete pass did not read: how many from there on, and some of them.
select their_id, our_id, count(*) over () as unseen
from integration_records
where connection_id = :connection and stream = :stream and state is null and seen_in_pass < :pass and their_id > :after
order by their_id
limit :limit;

-- name: mark_gone
-- They are not there any more: the link stays, so that they are not made again.
update integration_records
set state = 'gone', updated_at = :now
where connection_id = :connection and stream = :stream and their_id = any (cast(:their_ids as text[])) and state is null
returning our_id;

-- name: records_to_remove
-- Records that have to go there: erased people always, deleted contacts where the settings say so.
select
    record.their_id, record.our_id, record.state, count(*) over () as wanted,
    count(*) filter (where record.state is null) over () as deletions
from integration_records record
left join contacts contact on contact.id = record.our_id
where record.connection_id = :connection and record.stream = :stream
    and (
        record.state = 'remove'
        or (cast(:with_deleted as boolean) and record.state is null and (contact.id is null or contact.deleted_at is not null))
    )
order by record.their_id
limit :limit;

-- name: forget_records
-- They are removed there, and nothing of them is kept.
delete from integration_records
where connection_id = :connection and stream = :stream and their_id = any (cast(:their_ids as text[]));

-- name: compare_page
-- Linked records of the last complete pass beside our rows as they are now, page by page.
select
    record.their_id, record.hash, record.fields as agreed, contact.id as our_id,
    contact.deleted_at is not null as is_deleted,
    jsonb_build_object(
        'email', contact.email, 'phone', contact.phone, 'first_name', contact.first_name, 'last_name', contact.last_name,
        'company_name', contact.company_name, 'title', contact.title, 'timezone', contact.timezone,
        'linkedin_url', contact.linkedin_url, 'status', contact.status
    ) as fields
from integration_records record
left join contacts contact on contact.id = record.our_id
where record.connection_id = :connection and record.stream = :stream and record.state is null
    and record.seen_in_pass >= :pass and record.their_id > :after
order by record.their_id
limit :limit;

-- name: put_rejects
-- Records that one side refused, each with its reason, and tried again after the pause of its next attempt.
insert into integration_rejects (
    connection_id, stream, direction, record_id, reason, our_version, first_at, last_at, retry_at
)
select
    :connection, :stream, it.direction, it.record_id, it.reason, it.our_version, :now, :now,
    cast(:now as timestamptz) + make_interval(secs => (cast(:pauses as integer[]))[1])
from jsonb_to_recordset(:rejects) as it (direction text, record_id text, reason text, our_version text)
order by it.record_id
on conflict (connection_id, stream, direction, record_id) do update
set
    reason = excluded.reason, our_version = excluded.our_version, last_at = excluded.last_at,
    retry_at = excluded.last_at + make_interval(
        secs => (cast(:pauses as integer[]))[least(integration_rejects.attempts + 1, cardinality(cast(:pauses as integer[])))]
    ),
    attempts = integration_rejects.attempts + 1;

-- name: clear_rejects
-- Records that passed after all need no second try.
delete from integration_rejects
where connection_id = :connection and stream = :stream and direction = :direction
    and record_id = any (cast(:record_ids as text[]));

-- name: clear_retried
-- Records that were looked up for a second try and not refused again.
delete from integration_rejects
where connection_id = :connection and stream = :stream and direction = :direction
    and record_id = any (cast(:record_ids as text[])) and retry_at <= :now;

-- name: rejected_there
-- Their records that we refused and whose time has come: they are looked up with their current values.
select record_id
from integration_rejects
where connection_id = :connection and stream = :stream and direction = 'from_external' and retry_at <= :now
order by retry_at
limit :limit;
