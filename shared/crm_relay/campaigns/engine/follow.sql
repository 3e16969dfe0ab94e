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

-- name: lock_leaving
-- The same, and everybody enrolled with an address that leaves.
with leaving as (
    select address
    from email_sends
    where id = any (cast(:leaving_sends as uuid[])) or resend_id = any (cast(:leaving_ids as text[]))
    union
    select address from email_sends where unsubscribe_token = any (cast(:leaving_tokens as text[]))
    union
    select unnest(cast(:leaving_addresses as text[]))
)
select
    id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
    last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id
from campaign_enrollments
where id in (
    select enrollment_id from email_sends where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
    union
    select theirs.id
    from leaving
    join contacts person on normalise_address(person.email) = leaving.address
    join campaign_enrollments theirs on theirs.contact_id = person.id
    union
    -- Whose address was changed since has got mail at this one.
    select mail.enrollment_id from leaving join email_sends mail on mail.address = leaving.address
)
order by id
for no key update;

-- name: lock_mails_of_leaving
-- What is queued for an address that leaves, locked with the mails and before whoever is enrolled.
with leaving as (
    select address
    from email_sends
    where id = any (cast(:leaving_sends as uuid[])) or resend_id = any (cast(:leaving_ids as text[]))
    union
    select address from email_sends where unsubscribe_token = any (cast(:leaving_tokens as text[]))
    union
    select unnest(cast(:leaving_addresses as text[]))
)
select id
from email_sends
where id in (
    select mail.id from leaving join email_sends mail on mail.address = leaving.address where mail.status = 'queued'
)
order by id
for no key update;

-- name: places_of_leaving
-- Where those that have an address that leaves are enrolled.
with leaving as (
    select address
    from email_sends
    where id = any (cast(:leaving_sends as uuid[])) or resend_id = any (cast(:leaving_ids as text[]))
    union
    select address from email_sends where unsubscribe_token = any (cast(:leaving_tokens as text[]))
    union
    select unnest(cast(:leaving_addresses as text[]))
),
theirs as (
    select theirs.id, leaving.address
    from leaving
    join contacts person on normalise_address(person.email) = leaving.address
    join campaign_enrollments theirs on theirs.contact_id = person.id
    union
    select mail.enrollment_id, leaving.address from leaving join email_sends mail on mail.address = leaving.address
)
select enrollment.id, enrollment.org_id, owner.topic, array_agg(theirs.address) as addresses
from theirs
join campaign_enrollments enrollment on enrollment.id = theirs.id
join campaigns owner on owner.id = enrollment.campaign_id
group by enrollment.id, owner.topic;

-- name: mails_of_followers
-- All mails of those that are enrolled by these, with what people did with them.
select id, enrollment_id, human_opens, human_clicks, first_human_open_at, first_human_click_at, last_human_at
from email_sends
where enrollment_id in (
    select enrollment_id from email_sends where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
);

-- name: open_lines
-- The steps that sent these mails, where it is open whether they left.
select line.enrollment_id, line.sequence_id, line.status
from email_sends mail
join campaign_sequence_logs line on line.enrollment_id = mail.enrollment_id and line.sequence_id = mail.sequence_id
where (mail.id = any (cast(:sends as uuid[])) or mail.resend_id = any (cast(:email_ids as text[])))
    and (line.status = 'pending' or line.status = 'failed' and line.reason = 'unknown');

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

-- name: take_back
-- What is queued for these enrollments and was never tried, and the lines of their steps; what has begun to leave stays.
with ended as materialized (
    select enrollment_id, reason from :ended as ended (enrollment_id uuid, reason text)
),
mails as (
    update email_sends mail
    set status = 'refused', reason = ended.reason, payload = null, position = null, updated_at = now()
    from ended
    where mail.enrollment_id = ended.enrollment_id and mail.status = 'queued'
    returning mail.enrollment_id, mail.sequence_id, ended.reason
),
texts as (
    update sms_sends message
    set status = 'refused', reason = ended.reason, updated_at = :at
    from ended
    where message.enrollment_id = ended.enrollment_id and message.status = 'queued' and message.attempts = 0
    returning message.enrollment_id, message.sequence_id, ended.reason
)
update campaign_sequence_logs line
set status = 'stopped', reason = taken.reason, updated_at = :at
from (select * from mails union all select * from texts) taken
where line.enrollment_id = taken.enrollment_id and line.sequence_id = taken.sequence_id and line.status = 'pending';

-- name: settle_proven
-- The steps of mails whose fate events have shown.
select settle_campaign_mail(:settled, :at) as lines;
