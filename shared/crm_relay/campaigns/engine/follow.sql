-- name: lock_followers
-- Who is enrolled by the mails of a batch, locked by id behind the mails. Each row is the one that was locked.
select
    id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
    last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id
from campaign_enrollments
where id in (
    select enrollment_id from email_sends where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
)
order by id
for no key update;

-- name: lock_followers_of_tags
-- The same where each mail is named by our own id, as nearly all are.
select
    id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
    last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id
from campaign_enrollments
where id = any (array(select enrollment_id from email_sends where id = any (cast(:sends as uuid[]))))
order by id
for no key update;

-- name: lock_leaving
-- Everybody enrolled with an address that leaves, once for each such address, and where; locked in the same way.
select
    enrollment.id, enrollment.org_id, enrollment.campaign_id, enrollment.status, enrollment.emails_opened, enrollment.emails_clicked,
    enrollment.engagement_score, enrollment.first_opened_at, enrollment.first_clicked_at, enrollment.last_engagement_at,
    enrollment.next_step_at, enrollment.held_for, enrollment.stopped_reason, enrollment.replied_at, enrollment.thread_id,
    owner.topic, theirs.address as leaving_address
from (
    select id, address
    from leaving_enrollments(
        cast(:leaving_sends as uuid[]), cast(:leaving_ids as text[]), cast(:leaving_tokens as text[]), cast(:leaving_addresses as text[])
    )
    union
    select enrollment_id, null
    from email_sends
    where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
) theirs
join campaign_enrollments enrollment on enrollment.id = theirs.id
join campaigns owner on owner.id = enrollment.campaign_id
order by enrollment.id
for no key update of enrollment;

-- name: lock_mails_of_leaving
-- What is queued for an address that leaves, locked with the mails and before anyone who is enrolled.
with leaving as materialized (
    select address
    from email_sends
    where id = any (cast(:leaving_sends as uuid[])) or resend_id = any (cast(:leaving_ids as text[]))
        or unsubscribe_token = any (cast(:leaving_tokens as text[]))
    union
    select unnest(cast(:leaving_addresses as text[]))
)
select mail.id
from leaving
join email_sends mail on mail.address = leaving.address
where mail.status = 'queued'
order by mail.id
for no key update of mail;

-- name: lock_follower
-- The same of a single mail, and all mails of that enrollment, with kept plans.
select lock_follower(:send) as found;

-- name: mails_of_followers
-- All mails of those that are enrolled by these, with what people did with them and the line of its step where its fate is open.
select
    mail.id, mail.enrollment_id, mail.human_opens, mail.human_clicks, mail.first_human_open_at, mail.first_human_click_at,
    mail.last_human_at,
    (
        select line.status
        from campaign_sequence_logs line
        where line.enrollment_id = mail.enrollment_id and line.sequence_id = mail.sequence_id
            and (line.status = 'pending' or line.status = 'failed' and line.reason = 'unknown')
    ) as open_line
from email_sends mail
where mail.enrollment_id in (
    select enrollment_id from email_sends where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
);

-- name: mails_of_followers_of_tags
-- The same where each mail is named by our own id.
select
    mail.id, mail.enrollment_id, mail.human_opens, mail.human_clicks, mail.first_human_open_at, mail.first_human_click_at,
    mail.last_human_at,
    (
        select line.status
        from campaign_sequence_logs line
        where line.enrollment_id = mail.enrollment_id and line.sequence_id = mail.sequence_id
            and (line.status = 'pending' or line.status = 'failed' and line.reason = 'unknown')
    ) as open_line
from email_sends mail
where mail.enrollment_id = any (array(select enrollment_id from email_sends where id = any (cast(:sends as uuid[]))));

-- name: fates
-- Whether these mails bounced or were called spam.
select address, complained_at, bounce_type from email_sends where id = any (cast(:sends as uuid[])) order by address;

-- name: record_followers
-- Where these enrollments are now.
update campaign_enrollments enrollment
set
    status = now.status, emails_opened = now.emails_opened, emails_clicked = now.emails_clicked,
    engagement_score = now.engagement_score, first_opened_at = now.first_opened_at, first_clicked_at = now.first_clicked_at,
    last_engagement_at = now.last_engagement_at, next_step_at = now.next_step_at, held_for = now.held_for,
    stopped_reason = now.stopped_reason, replied_at = now.replied_at, thread_id = now.thread_id, updated_at = :at
from :enrolled as now (
    id uuid, status text, emails_opened integer, emails_clicked integer, engagement_score integer, first_opened_at timestamptz,
    first_clicked_at timestamptz, last_engagement_at timestamptz, next_step_at timestamptz, held_for text, stopped_reason text,
    replied_at timestamptz, thread_id text
)
where enrollment.id = now.id;

-- name: record_follower
-- The same for a single one, with a kept plan.
select record_follower(
    :id, :status, :emails_opened, :emails_clicked, :engagement_score, :first_opened_at, :first_clicked_at, :last_engagement_at,
    :next_step_at, :held_for, :stopped_reason, :replied_at, :thread_id, :at
) as recorded;

-- name: take_back
-- What is queued for these enrollments and was never tried, and the lines of their steps; what has begun to leave stays.
select take_back_queued(cast(:enrollments as uuid[]), cast(:reasons as text[]), :at);

-- name: replies_waiting
-- Replies that nobody looked at, once for each enrollment that they may belong to, and those that belong to none yet.
select
    item.id as inbox_item_id, item.source, item.received_at, item.is_auto_reply, reply.enrollment_id, reply.thread_id,
    coalesce(reply.lacks_headers, false) as lacks_headers, coalesce(reply.follows_stopping_step, false) as follows_stopping_step,
    coalesce(reply.has_stopping_step, false) as has_stopping_step
from inbox_items item
left join waiting_replies() reply on reply.inbox_item_id = item.id
where item.followed_at is null
    and (cast(:items as uuid[]) is null or item.id = any (cast(:items as uuid[])))
    and (cast(:items as uuid[]) is not null or item.id::text not in (
        select subject from incidents where kind = 'reply_refused' and closed_at is null and told_closed_at is null
    ));

-- name: unfollowed
-- Replies that nobody looked at and nothing sets aside; without a look at whose they are.
select id
from inbox_items
where followed_at is null
    and id::text not in (
        select subject from incidents where kind = 'reply_refused' and closed_at is null and told_closed_at is null
    )
order by id;

-- name: people_of_reply
-- Whose a reply may be.
select distinct enrollment_id from reply_matches where inbox_item_id = :item and enrollment_id is not null order by 1;

-- name: waiting_for_ended
-- What is queued, or came back to the queue, for sequences that have ended.
select distinct enrollment.id, coalesce(enrollment.stopped_reason, enrollment.status) as reason
from email_batches batch
join email_sends mail on mail.batch_id = batch.id and mail.status = 'queued'
join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
where batch.purpose = 'campaign' and batch.state = 'queued'
    and enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
    and not cast(:is_left_out as boolean)
    and enrollment.id::text not in (
        select subject from incidents where kind = 'step_refused' and closed_at is null and told_closed_at is null
    )
order by enrollment.id;

-- name: lock_mails_of_answered
-- What is queued for them and their colleagues, locked before anyone who is enrolled.
select mail.id
from email_sends mail
where mail.status = 'queued' and mail.enrollment_id in (
    select unnest(cast(:answered as uuid[]))
    union
    select id from colleagues_enrolled(cast(:answered as uuid[]))
)
order by mail.id
for no key update of mail skip locked;

-- name: concerned_by_replies
-- Whom lock_answered would lock if nobody else had.
select theirs.id, bool_or(theirs.is_colleague) as is_colleague
from (
    select unnest(cast(:answered as uuid[]) || cast(:noted as uuid[])) as id, false as is_colleague
    union all
    select id, true from colleagues_enrolled(cast(:answered as uuid[]))
) theirs
join campaign_enrollments enrollment on enrollment.id = theirs.id
group by theirs.id;

-- name: lock_answered
-- Who has answered, and who works with them in a campaign that stops the whole account; locked by id.
select
    id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
    last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id,
    id in (select id from colleagues_enrolled(cast(:answered as uuid[]))) as is_colleague
from campaign_enrollments
where id = any (cast(:noted as uuid[])) or id in (select id from colleagues_enrolled(cast(:answered as uuid[])))
order by id
for no key update skip locked;

-- name: lock_mails_of_ending
-- What is queued for these enrollments, locked before them.
select id from email_sends where status = 'queued' and enrollment_id = any (cast(:ids as uuid[])) order by id for no key update;

-- name: lock_ending
-- These enrollments, locked by id. Each row is the one that was locked.
select
    id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
    last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id
from campaign_enrollments
where id = any (cast(:ids as uuid[]))
order by id
for no key update;

-- name: record_looked_at
-- Whose these replies are; nobody looks at them again.
update inbox_items item
set
    enrollment_id = coalesce(seen.enrollment_id, item.enrollment_id), thread_id = coalesce(item.thread_id, seen.thread_id),
    followed_at = :at, updated_at = :at
from :seen as seen (id uuid, enrollment_id uuid, thread_id text)
where item.id = seen.id and item.followed_at is null
    -- One that is locked is looked at again.
    and item.id in (select id from inbox_items where followed_at is null order by id for no key update skip locked);
