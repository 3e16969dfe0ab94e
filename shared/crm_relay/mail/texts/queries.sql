-- name: queue_texts
-- The ledger has it before anything leaves; a key that it knows is the same message and is left alone.
insert into sms_sends (
    org_id, send_key, enrollment_id, campaign_id, sequence_id, contact_id, to_number, body, not_before, queued_at, updated_at
)
select
    text.org_id, text.send_key, text.enrollment_id, text.campaign_id, text.sequence_id, text.contact_id, text.to_number, text.body,
    :now, :now, :now
from jsonb_to_recordset(:texts) as text (
    org_id uuid, send_key text, enrollment_id uuid, campaign_id uuid, sequence_id uuid, contact_id uuid, to_number text, body text
)
on conflict (send_key) do nothing;

-- name: claim_text
-- The text message that waits longest, ours until `claimed_until`; of one that was tried before nobody knows what became of it.
with due as (
    select id
    from sms_sends
    where (status = 'queued' and not_before <= :now)
        or (status = 'sending' and coalesce(claimed_until, not_before) <= :now and not_before <= :now)
    order by not_before, id
    limit 1
    for update skip locked
),
claimed as (
    update sms_sends message
    set
        status = 'sending', attempts = message.attempts + 1, claimed_until = :claimed_until,
        first_attempt_at = coalesce(message.first_attempt_at, cast(:now as timestamptz)), updated_at = :now
    from due
    where message.id = due.id
    returning message.*
)
select
    claimed.id, claimed.org_id, claimed.enrollment_id, claimed.sequence_id, claimed.to_number, claimed.body, claimed.attempts,
    claimed.first_attempt_at,
    coalesce((select suppressed_by from suppression(claimed.org_id, 'sms', claimed.to_number)) is not null, false) as is_suppressed,
    campaign.send_days, campaign.send_window_start, campaign.send_window_end, campaign.timezone as campaign_zone,
    case when campaign.use_recipient_timezone then contact.timezone end as recipient_zone,
    case
        when claimed.to_number is null or claimed.body is null then 'erased'
        -- With its contact, or with its whole campaign.
        when enrollment.id is null or campaign.id is null then 'gone'
        when enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
            then coalesce(enrollment.stopped_reason, enrollment.status)
    end as ended_by,
    coalesce(campaign.status = 'paused', false) as is_campaign_paused
from claimed
left join campaign_enrollments enrollment on enrollment.id = claimed.enrollment_id
left join campaigns campaign on campaign.id = claimed.campaign_id
left join contacts contact on contact.id = claimed.contact_id;

-- name: record_text
-- What became of a text message; surely unsent ones begin anew.
update sms_sends
set
    status = :status, reason = :reason, twilio_sid = coalesce(cast(:sid as text), twilio_sid),
    not_before = coalesce(cast(:not_before as timestamptz), not_before), claimed_until = null,
    attempts = case cast(:status as text) when 'queued' then 0 else attempts end,
    first_attempt_at = case cast(:status as text) when 'queued' then null else first_attempt_at end,
    sent_at = case cast(:status as text) when 'sent' then cast(:now as timestamptz) end,
    -- Nobody has to read it any more.
    body = case when cast(:status as text) in ('queued', 'sending') then body end,
    updated_at = :now
where id = :id;
