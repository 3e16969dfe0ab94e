-- name: due_pitches
-- Pitches of a mailbox whose time has come; one that names no mailbox is of the only one that its workspace has.
select pitch.id
from pitches pitch
where pitch.workspace_id = :workspace and pitch.status in ('queued', 'sending') and pitch.not_before <= :now
    and (pitch.claimed_until is null or pitch.claimed_until <= :now)
    and (
        pitch.connection_id = :connection
        or pitch.connection_id is null and 1 = (
            select count(*)
            from integration_connections other
            where other.workspace_id = :workspace and other.integration_type = :integration and other.status <> 'disconnected'
        )
    )
    and (cast(:chosen as uuid[]) is null or pitch.id = any (cast(:chosen as uuid[])))
    and pitch.id <> all (cast(:tried as uuid[]))
order by pitch.not_before, pitch.created_at, pitch.id
limit :limit;

-- name: take_turn
-- Workers that send from one mailbox claim one after the other, so that its daily cap counts what the other one is sending.
select pg_advisory_xact_lock(hashtextextended(:address, 7000)) is null as is_taken;

-- name: claim_pitch
-- It is ours until then. From its first claim on address, Message-ID and mailbox stay as they are.
update pitches pitch
set
    lease = :lease, claimed_until = :until, connection_id = :connection, message_id = coalesce(pitch.message_id, :message_id),
    from_address = case when pitch.left_at is null then :sender else pitch.from_address end,
    -- The account was connected again as another one, which has no such draft.
    external_draft_id = case
        when pitch.left_at is not null or pitch.from_address is null or pitch.from_address = :sender then pitch.external_draft_id
    end,
    address = coalesce(pitch.address, (
        select contact.email
        from contacts contact
        where contact.id = pitch.contact_id and coalesce(contact.org_id, default_org_id()) = :org
    )),
    updated_at = :now
where pitch.id = :id and pitch.status in ('queued', 'sending') and pitch.not_before <= :now
    and (pitch.claimed_until is null or pitch.claimed_until <= :now)
    and (pitch.connection_id is null or pitch.connection_id = :connection)
returning pitch.id;

-- name: lock_claimed
-- Whether it is still ours; a cancellation or an erasure waits for this.
select id from pitches where id = :id and lease = :lease for update;

-- name: facts_of_pitch
-- All that decides whether a pitch may leave, as it is now.
select
    pitch.id, pitch.attempts, pitch.address, coalesce(pitch.subject, '') as subject, pitch.body_html, pitch.body_text, pitch.message_id,
    pitch.external_draft_id as draft_id, pitch.external_thread_id as thread_id, pitch.left_at, pitch.erased_at is not null as is_erased,
    pitch.cancelled_at is not null as is_cancelled, contact.deleted_at is not null as is_contact_deleted,
    is_sending_stopped(:org, :purpose) as is_stopped, room.mails as room_mails, room.frees_at as room_frees_at,
    normalise_address(pitch.address) as recipient, limits.cap_emails, limits.cap_days, latest.times as left_times,
    (
        select suppressed_by from recipient_suppression(:org, 'email', normalise_address(pitch.address), pitch.contact_id)
    ) as suppressed_by,
    array(
        select mine.left_at
        from pitches mine
        where mine.from_address = pitch.from_address and mine.id <> pitch.id
            and mine.left_at > cast(:now as timestamptz) - interval '1 day'
        order by mine.left_at desc
        limit :daily
    ) as left_today
from pitches pitch
left join contacts contact on contact.id = pitch.contact_id
left join delivery_limits limits on limits.org_id = :org
cross join lateral email_room(:org, :now) room
left join lateral (
    select array_agg(earlier.at) as times
    from (
        select coalesce(sent.left_at, sent.queued_at) as at
        from email_sends sent
        where limits.cap_emails is not null and sent.org_id is not distinct from :org
            and sent.address = normalise_address(pitch.address)
            and sent.purpose not like 'notification%' and sent.status not in ('queued', 'refused', 'dry_run', 'failed', 'suppressed')
            and coalesce(sent.left_at, sent.queued_at) > cast(:now as timestamptz) - limits.cap_days * interval '1 day'
        union all
        select elsewhere.left_at
        from mail_elsewhere elsewhere
        where limits.cap_emails is not null and elsewhere.org_id = :org and elsewhere.address = normalise_address(pitch.address)
            and elsewhere.id <> pitch.id and elsewhere.left_at > cast(:now as timestamptz) - limits.cap_days * interval '1 day'
        order by 1 desc
        limit limits.cap_emails
    ) earlier
) latest on true
where pitch.id = :id and pitch.lease = :lease;

-- name: record_pitch
-- What became of it, or how it goes on; nothing where it is not ours any more.
update pitches
set
    status = :status, reason = :reason, held_for = :held_for, not_before = coalesce(cast(:not_before as timestamptz), not_before),
    attempts = attempts + :more_attempts, left_at = :left_at, external_draft_id = :draft_id, external_thread_id = :thread_id,
    external_id = coalesce(cast(:external_id as text), external_id), sent_at = coalesce(cast(:sent_at as timestamptz), sent_at),
    lease = case when cast(:keeps as boolean) then lease end, claimed_until = case when cast(:keeps as boolean) then claimed_until end,
    updated_at = :now
where id = :id and lease = :lease
returning id;

-- name: strand_pitches
-- Of mailboxes that are disconnected: what may have left is for a person, the rest is free for another mailbox.
update pitches pitch
set
    status = case
        when pitch.left_at is not null then 'unknown'
        when pitch.erased_at is not null then 'refused'
        when pitch.cancelled_at is not null then 'cancelled'
        else 'queued'
    end,
    reason = case
        when pitch.left_at is not null then 'the mailbox was disconnected before it could be asked'
        when pitch.erased_at is not null then 'erased'
        else pitch.reason
    end,
    connection_id = case when pitch.left_at is null then null else pitch.connection_id end,
    external_draft_id = case when pitch.left_at is null then null else pitch.external_draft_id end,
    external_thread_id = case when pitch.left_at is null then null else pitch.external_thread_id end,
    held_for = null, lease = null, claimed_until = null, updated_at = :now
where pitch.id in (
    select stranded.id
    from pitches stranded
    left join integration_connections connection on connection.id = stranded.connection_id
    where stranded.status in ('queued', 'sending')
        and (stranded.claimed_until is null or stranded.claimed_until <= :now)
        and (
            connection.status = 'disconnected'
            or connection.id is null and (stranded.left_at is not null or stranded.external_draft_id is not null)
        )
    order by stranded.id
    limit :limit
    for update of stranded skip locked
)
returning pitch.id, pitch.status;

-- name: find_pitch
-- One pitch for a person: what became of it and what it waits for, without its text.
select
    pitch.id, pitch.workspace_id, pitch.contact_id, coalesce(pitch.address, contact.email) as recipient, pitch.subject,
    pitch.status, pitch.reason, pitch.held_for, nullif(pitch.not_before, '-infinity') as not_before, pitch.connection_id,
    pitch.from_address, pitch.attempts, pitch.left_at, pitch.sent_at, pitch.replied_at, pitch.bounced_at, pitch.external_id,
    pitch.external_draft_id, pitch.cancelled_at, pitch.created_at,
    connection.status as connection_status, connection.held_for as connection_held_for, connection.sync_enabled,
    (
        select count(*)
        from integration_connections other
        where other.workspace_id = pitch.workspace_id and other.integration_type = 'gmail' and other.status <> 'disconnected'
    )::integer as mailboxes
from pitches pitch
left join contacts contact on contact.id = pitch.contact_id
left join integration_connections connection on connection.id = pitch.connection_id
where pitch.id = :id;

-- name: list_pitches
-- Pitches, the newest first.
select
    pitch.id, pitch.workspace_id, coalesce(pitch.address, contact.email) as recipient, pitch.subject, pitch.status, pitch.reason,
    pitch.held_for, pitch.left_at, pitch.sent_at, pitch.replied_at, pitch.bounced_at, pitch.created_at
from pitches pitch
left join contacts contact on contact.id = pitch.contact_id
where (cast(:workspace as uuid) is null or pitch.workspace_id = :workspace)
    and (cast(:status as text) is null or pitch.status = :status)
order by pitch.created_at desc, pitch.id
limit :limit;

-- name: lock_pitch
-- An order waits for the worker that has it.
select pitch.id, workspace.org_id, pitch.status, pitch.left_at, pitch.external_draft_id, pitch.cancelled_at, pitch.erased_at
from pitches pitch
join workspaces workspace on workspace.id = pitch.workspace_id
where pitch.id = :id
for update of pitch;

-- name: queue_pitch
-- An order to send it; from its first attempt it has its Message-ID.
update pitches
set status = 'queued', reason = null, held_for = null, cancelled_at = null, not_before = :now, left_at = null, updated_at = :now
where id = :id;

-- name: cancel_pitch
-- At once where nothing of it is in the mailbox, else by the next run, which takes the draft away.
update pitches
set
    status = case when external_draft_id is null and lease is null and status <> 'sending' then 'cancelled' else status end,
    reason = 'cancelled', held_for = null, cancelled_at = :now, not_before = :now, updated_at = :now
where id = :id;

-- name: settle_pitch
-- What an operator found in the mailbox.
update pitches
set
    status = case when cast(:was_sent as boolean) then 'sent' else 'failed' end,
    reason = case when cast(:was_sent as boolean) then null else 'not_sent' end,
    sent_at = case when cast(:was_sent as boolean) then coalesce(sent_at, left_at, cast(:now as timestamptz)) end,
    left_at = case when cast(:was_sent as boolean) then left_at end,
    external_draft_id = case when cast(:was_sent as boolean) then external_draft_id end, updated_at = :now
where id = :id;

-- name: note_order
-- Who said so, in the history.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
values (:org, 'pitch', :id, :change, :now, jsonb_build_object('by', cast(:who as text)));
