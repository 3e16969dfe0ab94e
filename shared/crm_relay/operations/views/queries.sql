-- name: running_ahead
-- What of each campaign that runs is due now and in a day; a thousand of each are counted, step by step, by an index.
select
    campaign.id, campaign.name, sum(due.now)::integer as due_now, sum(due.later)::integer as next_day
from (
    select id, name
    from campaigns
    where source = 'native' and status = 'active'
    order by activated_at desc nulls last, id
    limit :limit
) campaign
join lateral (select 0 as number union all select step_number from campaign_sequences where campaign_id = campaign.id) step on true
cross join lateral (
    select
        (
            select count(*) from (
                select
                from campaign_enrollments enrollment
                where enrollment.campaign_id = campaign.id and enrollment.current_step = step.number
                    and enrollment.next_step_at <= cast(:now as timestamptz)
                    and enrollment.next_step_at is not null and enrollment.status in ('active', 'engaged')
                limit 1001
            ) ready
        ) as now,
        (
            select count(*) from (
                select
                from campaign_enrollments enrollment
                where enrollment.campaign_id = campaign.id and enrollment.current_step = step.number
                    and enrollment.next_step_at > cast(:now as timestamptz)
                    and enrollment.next_step_at <= cast(:now as timestamptz) + interval '1 day'
                    and enrollment.next_step_at is not null and enrollment.status in ('active', 'engaged')
                limit 1001
            ) soon
        ) as later
) due
group by campaign.id, campaign.name
order by sum(due.now) desc, sum(due.later) desc, campaign.name, campaign.id;

-- name: mails_waiting
-- Mails that are made and have not left, by what holds them; at most a thousand are counted.
select held_for, count(*)::integer as number
from (
    select mail.held_for
    from email_batches batch
    join email_sends mail on mail.batch_id = batch.id and mail.status in ('queued', 'sending')
    where batch.state in ('queued', 'sending')
    limit 1001
) waiting
group by held_for
order by count(*) desc, held_for;

-- name: mail_activity
-- Mails by the hour or day in which they were made, and by what has become of them by now.
select
    date_trunc(:step, counted.quarter at time zone :zone) as bucket,
    case
        when counted.status in ('delivered', 'opened', 'clicked', 'unsubscribed', 'spam') then 'delivered'
        when counted.status in ('queued', 'sending', 'scheduled', 'sent', 'pending') then 'on_the_way'
        when counted.status in ('bounced', 'failed') then 'bounced'
        when counted.status = 'unknown' then 'unclear'
        else 'left_out'
    end as outcome,
    sum(counted.number)::integer as number
from (
    -- By quarters of an hour first, which every zone has whole ones of: a zone's clock is asked for few of them, not for each mail.
    select date_bin('15 minutes', queued_at, timestamptz '2000-01-01 00:00+00') as quarter, status, count(*) as number
    from email_sends
    where queued_at >= cast(:since as timestamptz) and queued_at < cast(:until as timestamptz)
    group by 1, 2
) counted
group by 1, 2;

-- name: event_activity
-- What people and mailboxes did, by the hour or day of it; opens and clicks without those of scanners.
select
    date_trunc(:step, counted.quarter at time zone :zone) as bucket, counted.event_type as outcome,
    sum(counted.number)::integer as number
from (
    select date_bin('15 minutes', occurred_at, timestamptz '2000-01-01 00:00+00') as quarter, event_type, count(*) as number
    from email_logs
    where occurred_at >= cast(:since as timestamptz) and occurred_at < cast(:until as timestamptz)
        and event_type in ('opened', 'clicked', 'bounced', 'complained', 'unsubscribed')
        and (verdict = 'human' or event_type in ('bounced', 'complained', 'unsubscribed'))
    group by 1, 2
) counted
group by 1, 2;

-- name: people_found
-- Contacts and customers whose address or last name begins so; each part is read from an index.
with found as (
    (
        select contact.id, normalise_address(contact.email) as address, concat_ws(' ', contact.first_name, contact.last_name) as name,
            contact.company_name as company, 'contact' as kind
        from contacts contact
        where normalise_address(contact.email) like cast(:begins as text) and contact.deleted_at is null
        order by normalise_address(contact.email)
        limit :limit
    )
    union all
    (
        select contact.id, normalise_address(contact.email), concat_ws(' ', contact.first_name, contact.last_name),
            contact.company_name, 'contact'
        from contacts contact
        where lower(contact.last_name) like cast(:begins as text) and contact.deleted_at is null
        order by lower(contact.last_name)
        limit :limit
    )
    union all
    (
        select profile.id, normalise_address(mailbox.email), concat_ws(' ', profile.first_name, profile.last_name), null, 'customer'
        from customer_emails mailbox
        join customer_profiles profile on profile.id = mailbox.customer_id
        where normalise_address(mailbox.email) like cast(:begins as text)
        order by normalise_address(mailbox.email)
        limit :limit
    )
)
select
    address, (array_agg(id::text order by kind))[1] as id, max(nullif(name, '')) as name, max(company) as company,
    array_agg(distinct kind order by kind) as kinds
from found
group by address, case when address is null then id end
order by address, id
limit :limit;

-- name: people_of_campaign
-- A page of the people of one campaign, each with the newest mail to them; by id, so that every page is found by an index.
select
    enrollment.id, coalesce(enrollment.address, normalise_address(contact.email)) as address, nullif(concat_ws(' ', contact.first_name, contact.last_name), '') as name, enrollment.status,
    enrollment.stopped_reason, enrollment.current_step, enrollment.next_step_at,
    case when enrollment.next_step_at is not null then enrollment.held_for end as held_for,
    mail.id as mail_id, mail.status as mail_status, mail.at as mail_at
from (
    select *
    from campaign_enrollments
    where campaign_id = :campaign_id and (cast(:status as text) is null or status = cast(:status as text))
        and (cast(:after as uuid) is null or id > cast(:after as uuid))
    order by id
    limit :limit
) enrollment
left join contacts contact on contact.id = enrollment.contact_id
left join lateral (
    select sent.id, sent.status, coalesce(sent.left_at, sent.queued_at) as at
    from email_sends sent
    where sent.enrollment_id = enrollment.id
    order by sent.queued_at desc, sent.id
    limit 1
) mail on true
order by enrollment.id;

-- name: campaign_exists
-- Whether there is a native campaign with this id.
select exists (select from campaigns where id = :campaign_id and source = 'native') as known;

-- name: mail_sent
-- One mail with the words that it was sent with, as long as they are kept.
select
    mail.id, mail.campaign_id, mail.status, mail.reason, mail.subject, mail.recipient_email as recipient, mail.topic,
    mail.ab_variant as variant, mail.queued_at, mail.left_at, step.step_number, mail.payload ->> 'from' as sender,
    mail.payload ->> 'text' as text, mail.unsubscribe_token, mail.reply_token
from email_sends mail
left join campaign_sequences step on step.id = mail.sequence_id
where mail.id = :id;

-- name: events_of_mail
-- What was reported about one mail, in its order.
select event_type as kind, occurred_at as at, verdict from email_logs where email_send_id = :id order by occurred_at, id limit 200;

-- name: incidents_page
-- A page of incidents, the newest first; by whom one is closed that no recovery has closed.
select
    incident.id, incident.kind, incident.subject, incident.workspace_name, incident.title, incident.opened_at, incident.closed_at,
    incident.told_open_at is not null as is_told, incident.snoozed_until, incident.snoozed_by,
    (
        select closure.closed_by
        from incident_closures closure
        where closure.incident_id = incident.id and closure.closed_at = incident.closed_at
        order by closure.id desc
        limit 1
    ) as closed_by
from incidents incident
where (not cast(:open_only as boolean) or incident.closed_at is null)
    and (cast(:before as bigint) is null or incident.id < cast(:before as bigint))
order by incident.id desc
limit :limit;
