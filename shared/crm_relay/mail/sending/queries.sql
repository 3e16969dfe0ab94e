-- name: queue_emails
-- The ledger has it before anything leaves; a key that it knows is the same mail and is left alone.
with queued as (
    insert into email_sends (
        id, org_id, send_key, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, contact_id, ab_variant,
        identity_id, batch_id, position, recipient_email, address, subject, topic, send_window, payload, links, status,
        unsubscribe_token, reply_token, queued_at
    )
    select
        mail.id, mail.org_id, mail.send_key, mail.entity_type, mail.entity_id, mail.enrollment_id, mail.campaign_id, mail.sequence_id,
        mail.contact_id, mail.ab_variant, mail.identity_id, mail.batch_id, mail.position, mail.recipient_email, mail.address,
        mail.subject, mail.topic, mail.send_window, mail.payload, mail.links, 'queued', mail.unsubscribe_token, mail.reply_token, :now
    from jsonb_to_recordset(:mails) as mail (
        id uuid, org_id uuid, send_key text, entity_type text, entity_id uuid, enrollment_id uuid, campaign_id uuid, sequence_id uuid,
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
select id from queued;

-- name: claim_batch
-- The batch that is ours for this transaction, and of each of its mails what the gate has to know at this moment.
with batch as materialized (
    select id, org_id, generation, attempts, first_attempt_at
    from email_batches
    where purpose = :purpose and state in ('queued', 'sending') and not_before <= :now
        and (claimed_until is null or claimed_until <= :now)
        and (cast(:batch_id as uuid) is null or id = :batch_id)
    order by not_before, created_at, id
    limit 1
    for update skip locked
),
mail as materialized (
    select
        id, org_id, position, status, address, topic, send_window, identity_id, resend_id, campaign_id, enrollment_id,
        sequence_id, entity_type
    from email_sends
    where batch_id = (select id from batch) and position is not null
    order by position
    for update
)
select
    batch.id as batch_id, batch.org_id, batch.generation, batch.attempts, batch.first_attempt_at,
    mail.id, mail.status, mail.address, mail.send_window, mail.identity_id, mail.enrollment_id, mail.sequence_id,
    (select suppressed_by from suppression(mail.org_id, 'email', mail.address)) as suppressed_by,
    exists (
        select
        from topic_opt_outs refused
        where refused.org_id = mail.org_id and refused.address = mail.address and refused.topic = mail.topic
    ) as is_topic_opt_out,
    identity.paused_at is not null as is_sender_paused,
    owner.status = 'paused' as is_campaign_paused,
    case
        -- With its contact, or with its whole campaign.
        when mail.entity_type = 'campaign_enrollment' and enrollment.id is null then 'gone'
        when enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
            then coalesce(enrollment.stopped_reason, enrollment.status)
        when person.deleted_at is not null then 'contact_deleted'
    end as ended_by,
    mail.resend_id is not null or exists (
        select from email_logs log where log.email_send_id = mail.id and log.event_type <> 'unsubscribed'
    ) as is_seen
from batch
left join mail on true
left join email_identities identity on identity.id = mail.identity_id
left join campaigns owner on owner.id = mail.campaign_id
left join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
left join contacts person on person.id = enrollment.contact_id
order by mail.position;

-- name: freeze_batch
-- From here on the bytes are these, whoever carries them on; what the gate kept back is recorded in the same statement.
with verdict as (
    select * from jsonb_to_recordset(:verdicts) as verdict (id uuid, status text, reason text, batch_id uuid)
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
    select '[' || string_agg(mail.payload::text, ',' order by mail.position) || ']' as bytes
    from email_sends mail
    join verdict on verdict.id = mail.id
    where verdict.status = 'sending'
)
update email_batches
set
    state = case when frozen.bytes is null then 'done' else 'sending' end,
    payload = frozen.bytes,
    attempts = case when frozen.bytes is null then 0 else 1 end,
    first_attempt_at = case when frozen.bytes is not null then cast(:now as timestamptz) end,
    claimed_until = case when frozen.bytes is not null then cast(:claimed_until as timestamptz) end,
    finished_at = case when frozen.bytes is null then cast(:now as timestamptz) end
from frozen
where email_batches.id = :batch_id
returning email_batches.payload;

-- name: repeat_batch
-- The same bytes once more, under the same key.
update email_batches
set attempts = attempts + 1, claimed_until = :claimed_until
where id = :batch_id
returning payload;

-- name: postpone_batch
-- It may have been sent: it waits as it is. Nothing where somebody else has carried it on since.
update email_batches
set not_before = :not_before, claimed_until = null, problem = :problem
where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation;

-- name: requeue_batch
-- Surely nothing of it was sent: everything may be decided anew, under a new key.
with batch as (
    update email_batches
    set
        state = 'queued', generation = generation + 1, attempts = 0, first_attempt_at = null, payload = null, claimed_until = null,
        not_before = :not_before, problem = :problem
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning id
)
update email_sends mail
set status = 'queued', updated_at = now()
from batch
where mail.batch_id = batch.id and mail.status = 'sending';

-- name: split_batch
-- Surely nothing of it was sent, and something in it is the reason: its parts go on, each under a key of its own.
with batch as (
    update email_batches
    set state = 'done', payload = null, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending' and generation = :generation
    returning org_id, purpose
),
parts as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select distinct part.batch_id, batch.org_id, batch.purpose, cast(:now as timestamptz), :problem
    from jsonb_to_recordset(:parts) as part (batch_id uuid)
    cross join batch
)
update email_sends mail
set batch_id = part.batch_id, status = 'queued', updated_at = now()
from jsonb_to_recordset(:parts) as part (id uuid, batch_id uuid)
cross join batch
where mail.id = part.id and mail.status = 'sending';

-- name: park_batch
-- It may have been sent, and the provider no longer knows its key: never again. Of each mail whether it was seen since.
with batch as (
    update email_batches
    set state = 'unknown', payload = null, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending'
    returning id
)
update email_sends mail
set
    status = case when mail.status = 'sending' then 'unknown' else mail.status end,
    reason = case when mail.status = 'sending' then :problem else mail.reason end,
    payload = null,
    updated_at = now()
from batch
where mail.batch_id = batch.id and mail.position is not null
returning mail.id, mail.status;
