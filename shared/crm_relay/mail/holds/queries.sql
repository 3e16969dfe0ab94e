-- name: take_hold_changes
-- Each change is looked at once; one that another run looks at is left to it.
delete from hold_changes
where id in (select id from hold_changes order by id limit 1000 for update skip locked)
returning org_id, campaign_id, reasons;

-- name: release_mail
-- Batches with mail that is held for one of these reasons are due now; those that a worker has are left alone.
-- A stop holds what may have been sent as well.
with change as (
    select * from :changes as change (org_id uuid, campaign_id uuid, reasons text[])
),
freed as (
    select batch.id
    from email_batches batch
    where batch.state in ('queued', 'sending') and batch.not_before > :now
        and (batch.claimed_until is null or batch.claimed_until <= :now)
        and exists (
            select
            from email_sends mail
            join change on mail.held_for = any (change.reasons)
                and (change.org_id is null or mail.org_id = change.org_id)
                and (change.campaign_id is null or mail.campaign_id = change.campaign_id)
            where mail.batch_id = batch.id and mail.status in ('queued', 'sending')
        )
    order by batch.id
    for update skip locked
),
batches as (
    update email_batches batch set not_before = :now from freed where batch.id = freed.id returning batch.id
),
freed_texts as (
    select message.id
    from sms_sends message
    where message.status in ('queued', 'sending') and message.not_before > :now
        and exists (
            select
            from change
            where message.held_for = any (change.reasons)
                and (change.org_id is null or message.org_id = change.org_id)
                and (change.campaign_id is null or message.campaign_id = change.campaign_id)
        )
    order by message.id
    for no key update skip locked
),
texts as (
    update sms_sends message set not_before = :now from freed_texts where message.id = freed_texts.id returning message.id
)
select (select count(*) from batches)::integer as batches, (select count(*) from texts)::integer as texts;

-- name: waiting_of
-- What is queued or on its way of one campaign, by the reason for which it waits.
select channel, held_for, count(*)::integer as messages, min(held_until) as until
from (
    select 'email' as channel, held_for, held_until
    from email_sends
    where campaign_id = :campaign_id and status in ('queued', 'sending')
    union all
    select 'sms', held_for, held_until
    from sms_sends
    where campaign_id = :campaign_id and status in ('queued', 'sending')
) waiting
group by channel, held_for
order by channel, held_for nulls first;

-- name: take_back_emails
-- What waits of a campaign and was never tried; what a worker has at this moment is left to it.
with waiting as (
    select mail.id
    from email_batches batch
    join email_sends mail on mail.batch_id = batch.id
    where batch.state = 'queued' and mail.campaign_id = :campaign_id and mail.status = 'queued'
    order by mail.id
    limit :limit
    for no key update of mail skip locked
)
update email_sends mail
set
    status = 'refused', reason = :reason, payload = null, position = null, held_for = null, held_until = null, updated_at = now()
from waiting
where mail.id = waiting.id and mail.status = 'queued'
returning mail.id, mail.entity_type, mail.entity_id, mail.sequence_id;

-- name: take_back_texts
-- The same of text messages.
with waiting as (
    select id
    from sms_sends
    where campaign_id = :campaign_id and status = 'queued'
    order by id
    limit :limit
    for no key update skip locked
)
update sms_sends message
set status = 'refused', reason = :reason, body = null, held_for = null, held_until = null, updated_at = now()
from waiting
where message.id = waiting.id and message.status = 'queued'
returning message.id, case when message.enrollment_id is not null then 'campaign_enrollment' end as entity_type,
    message.enrollment_id as entity_id, message.sequence_id;
