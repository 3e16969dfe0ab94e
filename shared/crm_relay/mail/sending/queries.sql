-- name: queue_emails
-- The ledger has it before anything leaves; a key that it knows is the same mail and is left alone.
with queued as (
    insert into email_sends (
        id, org_id, send_key, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, contact_id, ab_variant,
        identity_id, batch_id, position, recipient_email, address, subject, topic, send_window, payload, links, status,
        unsubscribe_token, reply_token, purpose, queued_at
    )
    select
        mail.id, mail.org_id, mail.send_key, mail.entity_type, mail.entity_id,
        -- Reports read it; what sends knows the entity alone.
        case mail.entity_type when 'campaign_enrollment' then mail.entity_id end,
        mail.campaign_id, mail.sequence_id, mail.contact_id, mail.ab_variant, mail.identity_id, mail.batch_id, mail.position, mail.recipient_email, mail.address,
        mail.subject, mail.topic, mail.send_window, mail.payload, mail.links, 'queued', mail.unsubscribe_token, mail.reply_token, :purpose, :now
    from jsonb_to_recordset(:mails) as mail (
        id uuid, org_id uuid, send_key text, entity_type text, entity_id uuid, campaign_id uuid, sequence_id uuid,
        contact_id uuid, ab_variant text, identity_id uuid, batch_id uuid, position integer, recipient_email text, address text,
        subject text, topic text, send_window jsonb, payload jsonb, links integer, unsubscribe_token text, reply_token text
    )
    on conflict do nothing
    returning id, org_id, batch_id
),
batched as (
    insert into email_batches (id, org_id, purpose, not_before)
    select distinct batch_id, org_id, :purpose, cast(:now as timestamptz)
    from queued
)
select array_agg(id) as ids from queued;

-- name: claim_batch
-- The batch that is ours for this transaction, with its mails, and the turn of its organization: gates count one after another.
with batch as materialized (
    select waiting.id, org_id, purpose, generation, attempts, first_attempt_at, last_attempt_at, attempted_at, locked_since
    from email_batches waiting
    -- New batches refer to it.
    join organizations organization on organization.id = waiting.org_id
    where purpose = any (:purposes::text[]) and state in ('queued', 'sending') and not_before <= :now
        and (claimed_until is null or claimed_until <= :now)
        and (cast(:batch_id as uuid) is null or waiting.id = :batch_id)
    order by array_position(:purposes::text[], purpose), not_before, waiting.created_at, waiting.id
    limit 1
    for update of waiting skip locked
    for key share of organization skip locked
),
turn as materialized (
    -- Nothing of what goes to colleagues is counted.
    select
        case
            when purpose like 'notification%' then false
            else pg_advisory_xact_lock(hashtextextended(org_id::text, 53)) is null
        end as is_taken
    from batch
),
mail as materialized (
    select id, position
    from email_sends
    where batch_id = (select id from batch) and position is not null and (select is_taken is not null from turn)
    order by id
    for update skip locked
)
select
    exists (
        select
        from email_sends other
        where other.batch_id = batch.id and other.position is not null and other.id not in (select id from mail)
    ) as has_locked, batch.locked_since,
    batch.id as batch_id, batch.org_id, batch.purpose, batch.generation, batch.attempts, batch.first_attempt_at, batch.last_attempt_at,
    greatest(cast(:now as timestamptz) - batch.first_attempt_at, clock_timestamp() - batch.attempted_at) as age,
    (select array_agg(id order by position) from mail) as mails
from batch;

-- name: batch_room
-- How much room an organization has in this minute, and whether an operator has stopped what a batch of it is for.
select here.mails, here.frees_at, is_sending_stopped(:org_id, :purpose) as is_stopped
from email_room(:org_id, :now) here;

-- name: gate_facts
-- What the ledgers say at this moment of each mail of a batch.
select
    mail.id, mail.status, mail.identity_id, mail.entity_type, mail.entity_id, mail.sequence_id, mail.address,
    mail.send_window::text as send_window,
    case when mail.purpose not like 'notification%' then limits.cap_emails end as cap_emails, limits.cap_days,
    latest.times as left_times,
    mail.purpose not like 'notification%' and exists (
        select
        from topic_opt_outs refused
        where refused.org_id = mail.org_id and refused.address = mail.address and refused.topic = mail.topic
    ) as is_topic_opt_out,
    mail.purpose not like 'notification%' and coalesce(identity.paused_at, own.paused_at) is not null as is_sender_paused,
    mail.resend_id is not null or exists (
        select from email_logs log where log.email_send_id = mail.id and log.event_type <> 'unsubscribed'
    ) as is_seen,
    mail.lost_request, coalesce(lost.is_seen, false) as is_lost_request_seen,
    -- `is not distinct from` keeps the planner to the index of the address: without statistics it would also go through all
    -- mails of the organization, or of the step, for each mail of the batch.
    mail.sequence_id is not null and exists (
        select
        from email_sends twin
        where twin.org_id is not distinct from mail.org_id and twin.address = mail.address
            and twin.sequence_id is not distinct from mail.sequence_id and twin.id <> mail.id
            and twin.status not in ('queued', 'refused', 'dry_run', 'failed', 'suppressed')
    ) as has_twin
from email_sends mail
left join delivery_limits limits on limits.org_id = :org_id
left join email_identities identity on identity.id = mail.identity_id
left join own_sender own on mail.identity_id is null
left join lateral (
    select array_agg(earlier.at) as times
    from (
        select coalesce(sent.left_at, sent.queued_at) as at
        from email_sends sent
        where limits.cap_emails is not null and sent.org_id is not distinct from mail.org_id and sent.address = mail.address and sent.id <> mail.id
            and mail.purpose not like 'notification%' and sent.purpose not like 'notification%'
            and sent.status not in ('queued', 'refused', 'dry_run', 'failed', 'suppressed')
            and coalesce(sent.left_at, sent.queued_at) > cast(:now as timestamptz) - limits.cap_days * interval '1 day'
        union all
        select elsewhere.left_at
        from mail_elsewhere elsewhere
        where limits.cap_emails is not null and elsewhere.org_id is not distinct from mail.org_id and elsewhere.address = mail.address
            and mail.purpose not like 'notification%'
            and elsewhere.left_at > cast(:now as timestamptz) - limits.cap_days * interval '1 day'
        order by 1 desc
        limit limits.cap_emails
    ) earlier
) latest on true
left join lateral (
    -- Events of the request whose answer was lost: of any mail that has not left again since, and of those that have by
    -- another id than the provider gave them then, or by an earlier time where it gave none yet.
    select true as is_seen
    from email_sends kin
    join email_logs log on log.email_send_id = kin.id and log.event_type <> 'unsubscribed'
    left join email_batches carrier on carrier.id = kin.batch_id
    where kin.lost_request = mail.lost_request
        and case
            when kin.left_at is null or kin.left_at < kin.lost_at then true
            when carrier.state = 'done' and log.resend_id is not null then log.resend_id is distinct from kin.resend_id
            else log.occurred_at < kin.left_at
        end
    limit 1
) lost on true
where mail.batch_id = :batch_id and mail.position is not null;

-- name: gate_consent
-- What the ledger of consent and the rows of contacts and customers say of the recipients of a batch; a row for each thing.
select mail.id, fact.org_id, fact.kind, fact.occurred_at, fact.recorded_at, fact.source
from consent_facts(
    'email',
    array(select address from email_sends where batch_id = :batch_id and position is not null),
    array(select contact_id from email_sends where batch_id = :batch_id and position is not null)
) fact
join email_sends mail on mail.batch_id = :batch_id and mail.position is not null
    and (mail.address = fact.address or mail.contact_id = fact.contact_id);

-- name: hold_stopped
-- All that is due of a stopped organization waits as it is; what another worker has passes that worker's own gate.
-- Anyone who resumes waits for this, and so finds what is held here; where they came first, or hold the stop, nothing is held.
with stop as materialized (
    select id
    from sending_stops
    where resumed_at is null and :purpose = any (purposes) and (org_id is null or org_id = :org_id)
    order by id
    for share skip locked
),
due as (
    select id
    from email_batches
    where exists (select from stop) and org_id = :org_id and purpose = :purpose and state in ('queued', 'sending') and not_before <= :now
        and (claimed_until is null or claimed_until <= :now)
    order by id
    limit :limit
    for update skip locked
),
mail as (
    select waiting.id
    from email_sends waiting
    join due on due.id = waiting.batch_id
    where waiting.position is not null and waiting.status in ('queued', 'sending')
    order by waiting.id
    for update of waiting skip locked
),
batches as (
    update email_batches batch
    set
        not_before = :until, claimed_until = null, locked_since = null,
        problem = case batch.state when 'queued' then :reason else batch.problem end
    from due
    where batch.id = due.id
),
held as (
    update email_sends waiting
    set held_for = :reason, held_until = :until
    from mail
    where waiting.id = mail.id
    returning waiting.id
)
select
    count(*)::integer as mails,
    not exists (select from stop) and exists (
        select
        from sending_stops
        where resumed_at is null and :purpose = any (purposes) and (org_id is null or org_id = :org_id)
    ) as is_locked
from held;

-- name: hold_begun
-- A stop that came between two requests for a batch: it may have been sent, and waits as it is. Anyone who resumes waits for this.
-- What another transaction has locked goes on when its claim ends.
with stop as materialized (
    select id
    from sending_stops
    where resumed_at is null and :purpose = any (purposes) and (org_id is null or org_id = :org_id)
    order by id
    for share skip locked
),
mine as (
    select id
    from email_batches
    where exists (select from stop)
        and id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    for update skip locked
),
mail as (
    select waiting.id
    from email_sends waiting
    join mine on mine.id = waiting.batch_id
    where waiting.position is not null and waiting.status = 'sending'
    order by waiting.id
    for update of waiting skip locked
),
batches as (
    update email_batches batch set not_before = :until, claimed_until = null from mine where batch.id = mine.id
),
held as (
    update email_sends waiting set held_for = :reason, held_until = :until from mail where waiting.id = mail.id
)
-- A stop that somebody has locked stands: its batch is asked again when the claim ends.
select exists (select from stop) or exists (
    select
    from sending_stops
    where resumed_at is null and :purpose = any (purposes) and (org_id is null or org_id = :org_id)
) as is_stopped;

-- name: freeze_batch
-- From here on the bytes are these, no matter who carries them on; what the gate kept back is recorded in the same statement.
with verdict as (
    select each.id, given.status, given.reason, given.batch_id, given.held_for, given.held_until
    from :verdicts as given (ids uuid[], status text, reason text, batch_id uuid, held_for text, held_until timestamptz)
    cross join unnest(given.ids) as each (id)
),
held as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select hold.id, batch.org_id, batch.purpose, hold.not_before, hold.problem
    from jsonb_to_recordset(:holds) as hold (id uuid, not_before timestamptz, problem text)
    cross join email_batches batch
    where batch.id = :batch_id
),
marked as (
    update email_sends mail
    set
        status = verdict.status,
        reason = verdict.reason,
        batch_id = coalesce(verdict.batch_id, mail.batch_id),
        position = case when verdict.status in ('sending', 'queued') then mail.position end,
        payload = case when verdict.status in ('sending', 'queued') then mail.payload end,
        held_for = verdict.held_for,
        held_until = verdict.held_until,
        left_at = case verdict.status when 'sending' then cast(:now as timestamptz) end,
        updated_at = now()
    from verdict
    where mail.id = verdict.id
),
beside as (
    update email_sends mail
    set position = null
    where mail.batch_id = :batch_id and mail.position is not null and mail.status <> 'queued'
),
frozen as (
    select '[' || string_agg(mail.payload::text, ',' order by mail.position) || ']' as bytes, count(*)::integer as mails
    from email_sends mail
    join verdict on verdict.id = mail.id
    where verdict.status = 'sending'
)
update email_batches
set
    locked_since = null,
    state = case when frozen.bytes is null then 'done' else 'sending' end,
    payload = frozen.bytes,
    attempts = case when frozen.bytes is null then 0 else 1 end,
    -- Of two clocks the one that is behind: the provider forgets a key a day after it first saw it.
    first_attempt_at = case when frozen.bytes is not null then least(cast(:now as timestamptz), clock_timestamp()) end,
    attempted_at = case when frozen.bytes is not null then clock_timestamp() end,
    last_attempt_at = case when frozen.bytes is not null then cast(:now as timestamptz) end,
    left_at = case when frozen.bytes is not null then cast(:now as timestamptz) end,
    leaving = frozen.mails,
    claimed_until = case when frozen.bytes is not null then cast(:claimed_until as timestamptz) end,
    finished_at = case when frozen.bytes is null then cast(:now as timestamptz) end
from frozen
where email_batches.id = :batch_id
returning email_batches.payload;

-- name: repeat_batch
-- The same bytes once more, under the same key.
update email_batches
set attempts = attempts + 1, last_attempt_at = :now, claimed_until = :claimed_until, locked_since = null
where id = :batch_id
returning payload;

-- name: claim_for_look_up
-- Nobody else carries it on while the provider is asked what it has of it; asking is an attempt, since its bytes may follow.
update email_batches
set attempts = attempts + 1, last_attempt_at = :now, claimed_until = :claimed_until, locked_since = null
where id = :batch_id
returning payload;

-- name: note_found
-- The provider has these mails of a batch, whose answer was lost.
with found as (
    select mail.id, found.provider_id
    from :found as found (id uuid, provider_id text)
    join email_sends mail on mail.id = found.id
    where mail.batch_id = :batch_id
    order by mail.id
    for no key update of mail
)
update email_sends mail
set
    status = case mail.status when 'sending' then 'sent' else mail.status end,
    resend_id = coalesce(mail.resend_id, found.provider_id),
    sent_at = least(mail.sent_at, mail.left_at, cast(:now as timestamptz)),
    updated_at = now()
from found
where mail.id = found.id;

-- name: accept_late
-- The answer of a request that was given up as lost: mail that has not left again was sent by it, and their batch settles that.
with late as (
    select mail.id, accepted.provider_id
    from jsonb_to_recordset(:accepted) as accepted (id uuid, provider_id text)
    join email_sends mail on mail.id = accepted.id
    where mail.lost_request is not null and mail.status = 'queued' and mail.resend_id is null
    order by mail.id
    for no key update of mail
)
update email_sends mail
set
    status = 'sent', resend_id = late.provider_id, sent_at = :now, left_at = coalesce(mail.left_at, :now), payload = null,
    held_for = null, held_until = null, updated_at = now()
from late
where mail.id = late.id and mail.status = 'queued';

-- name: set_batch_aside
-- One row of it is refused by the database: the other batches go on.
update email_batches
set not_before = :not_before, claimed_until = null, problem = :problem
where id = :batch_id and state in ('queued', 'sending') and attempts = :attempts and generation = :generation;

-- name: set_locked_aside
-- Another transaction holds what is left in it; since when, by the first look that found it so.
update email_batches
set not_before = :not_before, claimed_until = null, problem = :problem, locked_since = coalesce(locked_since, :now)
where id = :batch_id;

-- name: next_batch
-- Which batch a claim would take, by its key and times alone.
select waiting.id, waiting.org_id, waiting.purpose, waiting.generation, waiting.attempts
from email_batches waiting
join organizations organization on organization.id = waiting.org_id
where waiting.purpose = any (:purposes::text[]) and waiting.state in ('queued', 'sending') and waiting.not_before <= :now
    and (waiting.claimed_until is null or waiting.claimed_until <= :now)
    and (cast(:batch_id as uuid) is null or waiting.id = :batch_id)
order by array_position(:purposes::text[], waiting.purpose), waiting.not_before, waiting.created_at, waiting.id
limit 1
for update of waiting skip locked
for key share of organization skip locked;

-- name: mails_of_batch
-- Those that are still in it.
select id from email_sends where batch_id = :batch_id and position is not null order by position;

-- name: part_batch
-- Mails of a batch that was never tried, in a batch of their own.
with part as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select :part_id, org_id, purpose, not_before, problem
    from email_batches
    where id = :batch_id and state = 'queued'
    returning id
),
mine as materialized (
    select id from email_sends where id = any (cast(:mails as uuid[])) and batch_id = :batch_id order by id for update
)
update email_sends mail
set batch_id = part.id
from part, mine
where mail.id = mine.id;

-- name: begun_again
-- Batches that were set aside with an incident, and have gone on since.
select trouble.subject
from incidents trouble
where trouble.kind = 'email_batch_refused' and trouble.closed_at is null and trouble.told_closed_at is null
    and not exists (
        select from email_batches batch where batch.id = try_uuid(trouble.subject) and batch.state in ('queued', 'sending')
    );

-- name: postpone_batch
-- It may have been sent: it waits as it is. Nothing where somebody else has carried it on since.
with batch as (
    update email_batches
    set not_before = :not_before, claimed_until = null, problem = :problem, locked_since = null
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning id
),
waiting as (
    select mail.id
    from batch
    join email_sends mail on mail.batch_id = batch.id
    where mail.status = 'sending'
    order by mail.id
    for no key update of mail
)
update email_sends mail
set held_for = :held_for, held_until = :not_before
from waiting
where mail.id = waiting.id and mail.status = 'sending';

-- name: requeue_batch
-- Nothing of it was sent, surely or by the provider's list: everything may be decided again, under a new key.
-- Where only the list says so, each mail keeps the key of the request that it was in: an event may still show otherwise.
with batch as (
    update email_batches
    set
        state = 'queued', generation = generation + 1, attempts = 0, first_attempt_at = null, attempted_at = null, left_at = null,
        leaving = 0, payload = null, claimed_until = null, not_before = :not_before, problem = :problem
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning id
),
carried as (
    select mail.id
    from batch
    join email_sends mail on mail.batch_id = batch.id
    where mail.position is not null
    order by mail.id
    for no key update of mail
)
update email_sends mail
set
    status = case mail.status when 'sending' then 'queued' else mail.status end,
    held_for = case mail.status when 'sending' then cast(:held_for as text) else mail.held_for end,
    held_until = case mail.status when 'sending' then cast(:not_before as timestamptz) else mail.held_until end,
    left_at = case mail.status when 'sending' then null else mail.left_at end,
    lost_request = coalesce(mail.lost_request, cast(:lost_request as text)),
    lost_at = case when cast(:lost_request as text) is null then mail.lost_at else cast(:not_before as timestamptz) end,
    updated_at = now()
from carried
where mail.id = carried.id;

-- name: split_batch
-- Surely nothing of it was sent, and something in it is the reason: its parts go on, each under a key of its own.
with batch as (
    update email_batches
    set state = 'done', payload = null, leaving = 0, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning org_id, purpose
),
parts as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select distinct part.batch_id, batch.org_id, batch.purpose, cast(:now as timestamptz), :problem
    from jsonb_to_recordset(:parts) as part (batch_id uuid)
    cross join batch
),
carried as (
    select mail.id, part.batch_id
    from jsonb_to_recordset(:parts) as part (id uuid, batch_id uuid)
    cross join batch
    join email_sends mail on mail.id = part.id
    order by mail.id
    for no key update of mail
)
update email_sends mail
set batch_id = carried.batch_id, status = 'queued', left_at = null, updated_at = now()
from carried
where mail.id = carried.id and mail.status = 'sending';

-- name: open_troubles
-- Which of these kinds of trouble a provider has.
select kind from incidents where kind = any(cast(:kinds as text[])) and subject = :provider and closed_at is null;

-- name: park_batch
-- It may have been sent, and the provider no longer knows its key: never again. Of each mail whether it was seen since.
with batch as (
    update email_batches
    set state = 'unknown', payload = null, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning id
),
carried as (
    select mail.id
    from batch
    join email_sends mail on mail.batch_id = batch.id
    where mail.position is not null
    order by mail.id
    for no key update of mail
)
update email_sends mail
set
    status = case when mail.status = 'sending' then 'unknown' else mail.status end,
    reason = case when mail.status = 'sending' then :problem else mail.reason end,
    payload = null,
    updated_at = now()
from carried
where mail.id = carried.id
returning mail.id, mail.status;
