-- name: count_person
-- What erasing the contacts of these addresses would reach.
select
    (
        select count(*) from integration_records record join contacts contact on contact.id = record.our_id
        where normalise_address(contact.email) = any (cast(:addresses as text[]))
    ) as integration_records,
    (
        select count(*)
        from integration_records record
        join contacts contact on contact.id = record.our_id
        join integration_connections connection on connection.id = record.connection_id
        where normalise_address(contact.email) = any (cast(:addresses as text[])) and connection.integration_type = 'mailchimp'
    ) as mailchimp_members,
    (
        select count(*)
        from pitches pitch
        left join contacts contact on contact.id = pitch.contact_id
        where normalise_address(pitch.address) = any (cast(:addresses as text[]))
            or normalise_address(contact.email) = any (cast(:addresses as text[]))
    ) as pitches;

-- name: erase_records
-- The next sync removes them there; until then only their id of them is kept.
update integration_records record
set our_id = null, fields = '{}', hash = '', our_version = null, state = 'remove', updated_at = :now
where record.our_id in (
    select contact.id from contacts contact where normalise_address(contact.email) = any (cast(:addresses as text[]))
)
returning record.their_id;

-- name: erase_rejects
-- A refusal names a contact by its id.
delete from integration_rejects
where direction = 'to_external' and record_id in (
    select contact.id::text from contacts contact where normalise_address(contact.email) = any (cast(:addresses as text[]))
)
returning record_id;

-- name: erase_pitches
-- What was written to them stays counted, and says nothing; a draft of it goes with the next sync of its mailbox.
with theirs as materialized (
    select id
    from pitches
    where normalise_address(address) = any (cast(:addresses as text[])) or contact_id in (
        select contact.id from contacts contact where normalise_address(contact.email) = any (cast(:addresses as text[]))
    )
    order by id
    for no key update
)
update pitches pitch
set address = null, contact_id = null, subject = '', body_html = null, body_text = null, erased_at = :now, updated_at = :now
from theirs
where pitch.id = theirs.id
returning pitch.id;

-- name: erase_recipients
-- Mail of somebody else that went to them too.
with theirs as materialized (
    select id
    from inbox_items
    where source = 'gmail' and to_addresses && cast(:addresses as text[])
    order by id
    for no key update
)
update inbox_items item
set
    to_addresses = array(select place from unnest(item.to_addresses) as named (place) where place <> all (cast(:addresses as text[]))),
    updated_at = :now
from theirs
where item.id = theirs.id
returning item.id;

-- name: records_of_person
-- Where a person's contacts are synced to, and what was refused of them.
select
    connection.id as connection_id, connection.integration_type as integration, connection.label, record.stream,
    record.their_id, record.state, record.updated_at, reject.reason as refused_because, known.standing,
    known.reason as still_there_because
from contacts contact
left join integration_records record on record.our_id = contact.id
left join integration_rejects reject
    on reject.direction = 'to_external' and reject.record_id = contact.id::text
    and (record.connection_id is null or record.connection_id = reject.connection_id)
left join integration_standings known
    on known.connection_id = record.connection_id and known.stream = record.stream and known.their_id = record.their_id
join integration_connections connection on connection.id = coalesce(record.connection_id, reject.connection_id)
where normalise_address(contact.email) = any (cast(:addresses as text[]))
order by connection.integration_type, connection.id, record.stream, record.their_id
limit :limit;

-- name: mail_of_person
-- What was to leave to somebody by a mailbox and what became of it, and what came from them; without texts.
select 'pitch' as kind, pitch.id, pitch.status, coalesce(pitch.held_for, pitch.reason) as reason, pitch.connection_id, pitch.replied_at,
    pitch.bounced_at, coalesce(pitch.sent_at, pitch.created_at) as at
from pitches pitch
where normalise_address(pitch.address) = any (cast(:addresses as text[])) or pitch.contact_id in (
    select contact.id from contacts contact where normalise_address(contact.email) = any (cast(:addresses as text[]))
)
union all
select
    'reply', item.id, case when item.is_auto_reply then 'automatic' else 'received' end, null,
    try_uuid(split_part(item.external_id, ':', 1)), null, null, item.received_at
from inbox_items item
where item.source = 'gmail' and normalise_address(item.from_address) = any (cast(:addresses as text[]))
order by at desc nulls last, id
limit :limit;
