-- name: unknown_messages
-- Parked e-mails and text messages, the newest first.
select id, channel, batch_id, campaign_id, recipient, status_reason as reason, queued_at, left_at
from (
    select
        id, 'email' as channel, batch_id, campaign_id, recipient_email as recipient, reason as status_reason, queued_at, left_at
    from email_sends
    where status = 'unknown'
    union all
    select id, 'sms', null, campaign_id, to_number, reason, queued_at, first_attempt_at
    from sms_sends
    where status = 'unknown'
) parked
order by queued_at desc, id
limit :limit;

-- name: lock_unknown_mails
-- One parked e-mail, or all of a parked batch, by id.
select id, org_id, batch_id, entity_type, entity_id, sequence_id
from email_sends
where (id = :id or batch_id = :id) and status = 'unknown'
order by id
for no key update;

-- name: lock_unknown_text
-- One parked text message.
select
    id, org_id, coalesce(entity_type, case when enrollment_id is not null then 'campaign_enrollment' end) as entity_type,
    coalesce(entity_id, enrollment_id) as entity_id, sequence_id
from sms_sends
where id = :id and status = 'unknown'
for no key update;

-- name: settle_mails
-- What an operator found at the provider.
update email_sends
set
    status = case when :was_sent then 'sent' else 'failed' end,
    reason = case when :was_sent then null else 'not_sent' end,
    sent_at = case when :was_sent then coalesce(sent_at, left_at, cast(:now as timestamptz)) end,
    left_at = case when :was_sent then left_at end,
    updated_at = :now
where id = any (cast(:ids as uuid[]));

-- name: settle_text
-- The same of a text message.
update sms_sends
set
    status = case when :was_sent then 'sent' else 'failed' end,
    reason = case when :was_sent then null else 'not_sent' end,
    sent_at = case when :was_sent then coalesce(sent_at, first_attempt_at, cast(:now as timestamptz)) end,
    updated_at = :now
where id = :id;

-- name: batches_without_unknown
-- Those of these batches of which every mail is settled.
select batch.id::text as subject
from unnest(cast(:batches as uuid[])) as batch (id)
where not exists (select from email_sends mail where mail.batch_id = batch.id and mail.status = 'unknown');

-- name: note_settled
-- Who said so, in the history.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
values (:org_id, :entity_type, :entity_id, :change, :now, jsonb_build_object('by', cast(:who as text), 'messages', :messages));
