-- name: erase_mail
-- The mails stay, for everything that is counted; whom they went to and what was in them does not.
with theirs as materialized (
    select
        mail.id, mail.status,
        mail.position is not null and exists (
            select from email_batches batch where batch.id = mail.batch_id and batch.state = 'sending'
        ) as is_on_its_way
    from email_sends mail
    where mail.address = any (:addresses::text[])
    order by mail.id
    for no key update
),
mails as (
    update email_sends mail
    set
        recipient_email = null, address = null, subject = null, payload = null, message_id = null, error_message = null,
        status = case mail.status when 'queued' then 'refused' else mail.status end,
        reason = case mail.status when 'queued' then 'erased' else mail.reason end,
        position = case mail.status when 'queued' then null else mail.position end,
        updated_at = :now
    from theirs
    where mail.id = theirs.id and not theirs.is_on_its_way
    returning mail.id
),
logs as (
    -- Of what happened the kind and the time stay, so that what was counted can be counted again.
    update email_logs log
    set event_data = log.event_data - array['link', 'user_agent', 'reason', 'message_id']
    where log.email_send_id in (select id from theirs where not is_on_its_way)
        and log.event_data ?| array['link', 'user_agent', 'reason', 'message_id']
    returning log.id
),
topics as (
    delete from topic_opt_outs where address = any (:addresses::text[]) returning topic
),
written as materialized (
    select id from sms_sends where to_number = any (:phones::text[]) order by id for no key update
),
texts as (
    update sms_sends message set to_number = null, body = null, updated_at = :now from written where message.id = written.id returning 1
),
reasons as (
    -- An operator's own words may name somebody.
    update sending_stops stop
    set reason = null
    from unnest(:addresses::text[] || :phones::text[]) as mark
    where position(mark in lower(stop.reason)) > 0
)
select
    (select count(*) from mails)::integer as email_sends,
    (select count(*) from logs)::integer as email_logs,
    (select count(*) from topics)::integer as topic_opt_outs,
    (select count(*) from texts)::integer as sms_sends,
    (select count(*) from theirs where is_on_its_way)::integer as on_its_way;

-- name: count_mail
-- What erase_mail would change.
select
    (select count(*) from email_sends where address = any (:addresses::text[]))::integer as email_sends,
    (
        select count(*)
        from email_logs log
        join email_sends mail on mail.id = log.email_send_id
        where mail.address = any (:addresses::text[])
            and log.event_data ?| array['link', 'user_agent', 'reason', 'message_id']
    )::integer as email_logs,
    (select count(*) from topic_opt_outs where address = any (:addresses::text[]))::integer as topic_opt_outs,
    (select count(*) from sms_sends where to_number = any (:phones::text[]))::integer as sms_sends;

-- name: mails_of
-- What became of the newest mails to somebody, and why.
select
    mail.id, mail.campaign_id, mail.topic, mail.status, mail.reason, mail.queued_at, mail.sent_at,
    mail.delivered_at, mail.opened_at, mail.opened_count, mail.human_opens, mail.clicked_at, mail.clicked_count, mail.human_clicks,
    mail.bounced_at, mail.bounce_type, mail.complained_at, mail.unsubscribed_at, batch.problem as batch_problem,
    case when mail.status in ('queued', 'sending') then mail.held_for end as held_for,
    case when mail.status in ('queued', 'sending') then batch.not_before end as not_before
from email_sends mail
left join email_batches batch on batch.id = mail.batch_id
where mail.address = any (:addresses::text[])
order by mail.queued_at desc, mail.id
limit :limit;

-- name: texts_of
-- What became of the newest text messages to somebody, and why; a contact's number is that of its addresses too.
select
    id, campaign_id, status, reason, queued_at, sent_at,
    case when status in ('queued', 'sending') then held_for end as held_for,
    case when status in ('queued', 'sending') then held_until end as held_until
from sms_sends
where to_number = any (:numbers::text[])
    or to_number in (select normalise_phone(phone) from contacts where normalise_address(email) = any (:addresses::text[]))
order by queued_at desc, id
limit :limit;

-- name: topics_left
-- What somebody wants no more of, in every organization.
select org_id, topic, source, occurred_at
from topic_opt_outs
where address = any (:addresses::text[])
order by occurred_at, topic;
