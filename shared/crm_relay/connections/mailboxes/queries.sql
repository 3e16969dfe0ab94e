-- name: mailbox_state
-- Where the reading of a mailbox stands, and which addresses of its organization are mailboxes of ours.
select
    connection.mailbox_address, connection.account_label, checkpoint.cursor, checkpoint.stopped_reason, checkpoint.completed_at,
    array(
        select distinct normalise_address(other.mailbox_address)
        from integration_connections other
        join workspaces place on place.id = other.workspace_id
        where place.org_id = :org and normalise_address(other.mailbox_address) is not null
    ) as own
from integration_connections connection
left join integration_checkpoints checkpoint on checkpoint.connection_id = connection.id and checkpoint.stream = :stream
where connection.id = :connection;

-- name: adopt_mailbox
-- Whose mailbox it is; the cursor of another one means nothing in it.
with adopted as (
    update integration_connections
    set mailbox_address = :address, account_label = :address, updated_at = :now
    where id = :connection
),
lost as (
    update integration_checkpoints
    set cursor = null, completed_at = null, updated_at = :now
    where connection_id = :connection and stream = :stream and cast(:is_another as boolean)
)
select 1 as done;

-- name: save_cursor
-- What was read is kept; a read that came to its end says when, and that the stream goes on.
insert into integration_checkpoints (connection_id, stream, cursor, completed_at, updated_at)
values (:connection, :stream, :cursor, :completed_at, :now)
on conflict (connection_id, stream) do update
set
    cursor = excluded.cursor, completed_at = coalesce(excluded.completed_at, integration_checkpoints.completed_at),
    stopped_reason = case when excluded.completed_at is null then integration_checkpoints.stopped_reason end, updated_at = excluded.updated_at;

-- name: known_mail
-- Which of these messages are kept already, or wait for a second try since they could not be read.
select external_id from inbox_items where source = :source and external_id = any (cast(:external_ids as text[]))
union
select connection_id || ':' || record_id
from integration_rejects
where connection_id = :connection and stream = :stream and direction = 'from_external'
    and connection_id || ':' || record_id = any (cast(:external_ids as text[]));

-- name: take_turn
-- Two mailboxes of a workspace keep their mail one after the other: the same mail in both is one.
select pg_advisory_xact_lock(hashtextextended(cast(:workspace as text), 7001)) is null as is_taken;

-- name: lock_answered
-- Pitches that these messages may answer: of the workspace by a Message-ID, and of this mailbox by the conversation.
select pitch.id, pitch.status, pitch.address, pitch.message_id,
    case when pitch.connection_id = :connection then pitch.external_thread_id end as external_thread_id
from pitches pitch
where pitch.left_at is not null
    and (
        pitch.connection_id = :connection and pitch.external_thread_id = any (cast(:threads as text[]))
        or pitch.workspace_id = :workspace and pitch.message_id = any (cast(:answered as text[]))
    )
order by pitch.id
for update;

-- name: keep_mail
-- Each message once: also where another mailbox of the workspace got the same mail, and none of erased people.
insert into inbox_items (
    org_id, workspace_id, source, external_id, from_address, subject, received_at, to_addresses, in_reply_to, reference_ids,
    thread_id, message_id, is_auto_reply, headers_read_at
)
select
    :org, :workspace, :source, mail.external_id, mail.from_address, mail.subject, mail.received_at, mail.to_addresses,
    mail.in_reply_to, mail.reference_ids, mail.thread_id, mail.message_id, mail.is_auto_reply, :now
from jsonb_to_recordset(:mails) as mail (
    external_id text, from_address text, subject text, received_at timestamptz, to_addresses text[], in_reply_to text,
    reference_ids text[], thread_id text, message_id text, is_auto_reply boolean, is_spam boolean, answers_pitch boolean
)
where not is_erased(null, 'email', normalise_address(mail.from_address))
    and not exists (
        select
        from inbox_items other
        where other.source = :source and other.workspace_id = :workspace and other.message_id = mail.message_id
            and other.external_id not like :own_prefix
            and normalise_address(other.from_address) = normalise_address(mail.from_address)
            and other.received_at between mail.received_at - interval '1 day' and mail.received_at + interval '1 day'
    )
    and (
        not (cast(:known_only as boolean) or mail.is_spam) or mail.answers_pitch
        or exists (
            select
            from contacts person
            where normalise_address(person.email) = normalise_address(mail.from_address) and person.org_id = :org
        )
        or exists (
            select
            from email_sends sent
            where sent.org_id = :org and sent.message_id = any (mail.in_reply_to || mail.reference_ids)
        )
        or exists (
            select
            from unnest(mail.to_addresses) as named (address)
            join email_sends sent on sent.reply_token = substring(lower(named.address) from '\+([^+@]+)@')
            where sent.org_id = :org
        )
    )
on conflict (source, external_id) do nothing
returning external_id;

-- name: record_answered
-- The first answer's time stays; an answer proves that a pitch of an unknown fate did leave.
update pitches pitch
set
    replied_at = least(pitch.replied_at, said.replied_at), bounced_at = least(pitch.bounced_at, said.bounced_at),
    sent_at = coalesce(pitch.sent_at, pitch.left_at),
    reason = case when pitch.status in ('unknown', 'sending') then null else pitch.reason end,
    held_for = case when pitch.status in ('unknown', 'sending') then null else pitch.held_for end,
    lease = case when pitch.status in ('unknown', 'sending') then null else pitch.lease end,
    status = case when pitch.status in ('unknown', 'sending') then 'sent' else pitch.status end,
    updated_at = :now
from (
    select id, min(replied_at) as replied_at, min(bounced_at) as bounced_at
    from jsonb_to_recordset(:answered) as each (id uuid, replied_at timestamptz, bounced_at timestamptz)
    group by id
) said
where pitch.id = said.id;
