-- name: queue_texts
-- The ledger has it before anything leaves; a key that it knows is the same message and is left alone.
insert into sms_sends (
    org_id, send_key, purpose, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, contact_id, to_number, body, not_before,
    queued_at, updated_at
)
select
    text.org_id, text.send_key, :purpose, text.entity_type, text.entity_id,
    case text.entity_type when 'campaign_enrollment' then text.entity_id end, text.campaign_id, text.sequence_id, text.contact_id,
    text.to_number, text.body, :now, :now, :now
from jsonb_to_recordset(:texts) as text (
    org_id uuid, send_key text, entity_type text, entity_id uuid, campaign_id uuid, sequence_id uuid, contact_id uuid,
    to_number text, body text
)
on conflict (send_key) do nothing;

-- name: take_turn
-- Workers claim one after the other: the second one sees what the first one is sending. A statement of its own.
select pg_advisory_xact_lock(hashtextextended('text_claim', 54)) is null as is_taken;

-- name: claim_text
-- The text message that waits longest, ours until `claimed_until`; of one that was tried before nobody knows what became of it.
-- What an operator stopped waits as it is, and anyone who resumes waits for this, as of mail; so does the same step for the same number while one of them is being sent.
with stop as materialized (
    select org_id, purposes from sending_stops where resumed_at is null order by id for share skip locked
),
stopped as (
    select id
    from sms_sends
    where (select exists (select from stop))
        and not_before <= :now
        and (status = 'queued' or (status = 'sending' and coalesce(claimed_until, not_before) <= :now))
        and exists (
            select from stop where purpose = any (stop.purposes) and (stop.org_id is null or stop.org_id = sms_sends.org_id)
        )
    order by id
    limit :most_held
    for update skip locked
),
held as (
    update sms_sends message
    set held_for = :stopped, held_until = :held_until, not_before = :held_until, claimed_until = null, updated_at = :now
    from stopped
    where message.id = stopped.id
),
due as (
    select id, updated_at as touched_at
    from sms_sends message
    where not_before <= :now
        and (
            (status = 'sending' and coalesce(claimed_until, not_before) <= :now)
            or status = 'queued' and not exists (
                select
                from sms_sends twin
                where twin.to_number = message.to_number and twin.sequence_id = message.sequence_id and twin.org_id = message.org_id
                    and twin.status = 'sending' and twin.id <> message.id
            )
        )
        and purpose = any (:purposes::text[])
        and not is_sending_stopped(org_id, purpose)
        and (cast(:message_id as uuid) is null or id = :message_id)
        -- One that stopped the others is taken by its id alone.
        and (cast(:message_id as uuid) is not null or id::text not in (
            select subject from incidents where kind = 'sms_refused' and closed_at is null and told_closed_at is null
        ))
    order by array_position(:purposes::text[], purpose), not_before, id
    limit 1
    for update skip locked
),
claimed as (
    update sms_sends message
    set
        status = 'sending', attempts = message.attempts + 1, claimed_until = :claimed_until,
        first_attempt_at = coalesce(message.first_attempt_at, least(cast(:now as timestamptz), clock_timestamp())), updated_at = :now
    from due
    where message.id = due.id
    returning message.*, due.touched_at
)
select
    claimed.id, claimed.org_id,
    -- What was queued by an earlier version has the enrollment alone.
    coalesce(claimed.entity_type, case when claimed.enrollment_id is not null then 'campaign_enrollment' end) as entity_type,
    coalesce(claimed.entity_id, claimed.enrollment_id) as entity_id, claimed.sequence_id, claimed.to_number, claimed.body,
    claimed.attempts, claimed.generation, claimed.first_attempt_at, claimed.touched_at,
    exists (
        -- Two people may share a number; with one address besides they are one person.
        select
        from sms_sends twin
        join contacts theirs on theirs.id = twin.contact_id
        join contacts ours on ours.id = claimed.contact_id
        where twin.to_number = claimed.to_number and twin.sequence_id = claimed.sequence_id and twin.org_id = claimed.org_id
            and twin.status in ('sent', 'unknown') and twin.id <> claimed.id
            and (theirs.id = ours.id or normalise_address(theirs.email) = normalise_address(ours.email))
    ) as has_twin,
    (
        select suppressed_by from recipient_suppression(claimed.org_id, 'sms', claimed.to_number, claimed.contact_id)
    ) is not null as is_suppressed,
    array(
        -- Messages of others with this number: what the provider shows of them is theirs.
        select other.twilio_sid
        from sms_sends other
        where claimed.attempts > 1 and other.to_number = claimed.to_number and other.twilio_sid is not null
    ) as known
from claimed;

-- name: due_texts
-- Which messages a claim would take, by their keys and times alone.
select id
from sms_sends
where purpose = any (:purposes::text[]) and not_before <= :now
    and (status = 'queued' or (status = 'sending' and coalesce(claimed_until, not_before) <= :now))
    and id::text not in (
        select subject from incidents where kind = 'sms_refused' and closed_at is null and told_closed_at is null
    )
order by not_before, id
limit :limit
for update skip locked;

-- name: refused_texts
-- Some of the messages that stopped the others, at random.
select try_uuid(subject) as id
from incidents
where kind = 'sms_refused' and closed_at is null and told_closed_at is null and try_uuid(subject) is not null
    -- Another worker looks after messages of other purposes; one that is gone is anybody's.
    and not exists (
        select from sms_sends message where message.id = try_uuid(subject) and message.purpose <> all (:purposes::text[])
    )
order by random()
limit :limit;

-- name: hold_stopped_text
-- Asked between a look-up and the request that follows it; anyone who resumes waits for this, and so finds what is held here.
-- What another transaction has locked goes on when its claim ends.
with stop as materialized (
    select id
    from sending_stops
    where resumed_at is null
        and (select purpose from sms_sends where id = :id) = any (purposes)
        and (org_id is null or org_id = :org_id)
    order by id
    for share skip locked
),
mine as (
    select id
    from sms_sends
    where exists (select from stop) and id = :id and status = 'sending' and attempts = :attempts and generation = :generation
    for no key update skip locked
),
held as (
    update sms_sends message
    set held_for = :stopped, held_until = :until, not_before = :until, claimed_until = null, updated_at = :now
    from mine
    where message.id = mine.id
)
-- A stop that somebody has locked stands: its message is asked again when the claim ends.
select exists (select from stop) or exists (
    select
    from sending_stops
    where resumed_at is null
        and (select purpose from sms_sends where id = :id) = any (purposes)
        and (org_id is null or org_id = :org_id)
) as is_stopped;

-- name: is_suppressed_now
-- Whether somebody opted out while the provider was asked.
select (
    select suppressed_by from recipient_suppression(message.org_id, 'sms', message.to_number, message.contact_id)
) is not null as is_suppressed
from sms_sends message
where message.id = :id;

-- name: is_waiting
-- Whether a message may still leave.
select exists (select from sms_sends where id = :id and status in ('queued', 'sending')) as waits;

-- name: record_text
-- What became of a text message; surely unsent ones begin again. Nothing where somebody else has carried it on since.
update sms_sends
set
    status = :status, reason = :reason, twilio_sid = coalesce(cast(:sid as text), twilio_sid),
    not_before = coalesce(cast(:not_before as timestamptz), not_before), claimed_until = null,
    attempts = case cast(:status as text) when 'queued' then 0 else attempts end,
    generation = case cast(:status as text) when 'queued' then generation + 1 else generation end,
    first_attempt_at = case cast(:status as text) when 'queued' then null else first_attempt_at end,
    held_for = :held_for,
    held_until = case when cast(:held_for as text) is not null then cast(:not_before as timestamptz) end,
    sent_at = case cast(:status as text) when 'sent' then cast(:now as timestamptz) end,
    -- Nobody has to read it any more.
    body = case when cast(:status as text) in ('queued', 'sending') then body end,
    updated_at = :now
where id = :id and status = 'sending' and attempts = :attempts and generation = :generation
returning id;

-- name: hold_due
-- The provider takes nothing now, or the mode keeps it here: what is due waits as well, for the same reason and as long.
with due as (
    select id
    from sms_sends
    where status = 'queued' and not_before <= :now
        and (cast(:purposes as text[]) is null or purpose = any (cast(:purposes as text[])))
    order by id
    limit :limit
    for update skip locked
)
update sms_sends message
set held_for = :held_for, held_until = :until, not_before = :until, updated_at = :now
from due
where message.id = due.id;

-- name: waited_in_vain
-- Incidents about settings that nothing waits for any more: what waited was sent, refused or cancelled.
select subject
from incidents
where kind = :kind and closed_at is null
    and not exists (select from sms_sends where status in ('queued', 'sending') and held_for = 'configuration');
