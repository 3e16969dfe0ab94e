-- name: read_only
-- A look ahead sees one moment of the database, and can change nothing in it.
set transaction isolation level repeatable read, read only;

-- name: limits_of
-- What an organization may send a minute, and one person get in a while; the defaults where it has no row.
select
    case when limits.org_id is null then 100 else limits.emails_per_minute end as emails_per_minute,
    limits.cap_emails, limits.cap_days
from organizations owner
left join delivery_limits limits on limits.org_id = owner.id
where owner.id = :org_id;

-- name: people_ahead
-- Everybody whose sequence goes on, with all that decides about them (see claim_due), and when they were last written to.
select
    enrollment.id, enrollment.campaign_id, enrollment.contact_id, enrollment.current_step,
    coalesce(enrollment.due_at, enrollment.next_step_at) as due_at, enrollment.next_step_at as next_at,
    on_its_way.at as leaves_at,
    jsonb_build_object(
        'status', enrollment.status, 'current_step', enrollment.current_step, 'steps_completed', enrollment.steps_completed,
        'ab_variant', enrollment.ab_variant, 'emails_sent', enrollment.emails_sent, 'emails_opened', enrollment.emails_opened,
        'emails_clicked', enrollment.emails_clicked, 'linkedin_sent', enrollment.linkedin_sent,
        'calls_made', enrollment.calls_made, 'sms_sent', enrollment.sms_sent,
        'engagement_score', enrollment.engagement_score, 'last_step_at', enrollment.last_step_at,
        'last_engagement_at', enrollment.last_engagement_at, 'first_opened_at', enrollment.first_opened_at,
        'first_clicked_at', enrollment.first_clicked_at, 'replied_at', enrollment.replied_at,
        'error_count', enrollment.error_count, 'created_at', enrollment.created_at
    ) as fields,
    jsonb_build_object(
        'email', contact.email, 'phone', contact.phone, 'first_name', contact.first_name, 'last_name', contact.last_name,
        'company', contact.company_name, 'company_name', contact.company_name, 'title', contact.title,
        'timezone', contact.timezone, 'linkedin_url', contact.linkedin_url, 'status', contact.status
    ) as contact,
    mailbox.address, phone.number as phone, contact.timezone,
    (select suppressed_by from recipient_suppression(enrollment.org_id, 'email', mailbox.address, enrollment.contact_id)) as suppressed_by,
    owner.topic is not null and exists (
        select
        from topic_opt_outs refused
        where refused.org_id = enrollment.org_id and refused.address = mailbox.address and refused.topic = owner.topic
    ) as topic_opt_out,
    phone.number is not null
        and (
            select suppressed_by from recipient_suppression(enrollment.org_id, 'sms', phone.number, enrollment.contact_id)
        ) is not null as sms_suppressed,
    contact.deleted_at is not null as contact_deleted,
    false as answered,
    exists (
        select
        from contacts other
        join campaign_enrollments twin on twin.contact_id = other.id
        where normalise_address(other.email) = mailbox.address and twin.campaign_id = enrollment.campaign_id and twin.id <> enrollment.id
            and (twin.created_at, twin.id) < (enrollment.created_at, enrollment.id)
    ) as has_twin,
    capped.mails as mails_before
from campaign_enrollments enrollment
join campaigns owner on owner.id = enrollment.campaign_id
join contacts contact on contact.id = enrollment.contact_id
cross join lateral (select normalise_address(contact.email) as address) mailbox
cross join lateral (select normalise_phone(contact.phone) as number) phone
left join lateral (
    select array_agg(left_at) as mails
    from (
        select coalesce(sent.left_at, sent.queued_at) as left_at
        from email_sends sent
        where cast(:cap_emails as integer) is not null and sent.org_id = enrollment.org_id and sent.address = mailbox.address
            and coalesce(sent.left_at, sent.queued_at) > cast(:now as timestamptz) - cast(:cap_days as integer) * interval '1 day'
            and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed') and sent.purpose not like 'notification%'
        union all
        select elsewhere.left_at
        from mail_elsewhere elsewhere
        where cast(:cap_emails as integer) is not null and elsewhere.org_id = enrollment.org_id and elsewhere.address = mailbox.address
            and elsewhere.left_at > cast(:now as timestamptz) - cast(:cap_days as integer) * interval '1 day'
        order by 1 desc
        limit cast(:cap_emails as integer)
    ) latest
) capped on true
left join lateral (
    -- A step that was sent and is not settled yet: it leaves when it is no longer held.
    select greatest(mail.held_until, message.held_until, cast(:now as timestamptz)) as at
    from campaign_sequence_logs line
    left join email_sends mail on mail.enrollment_id = line.enrollment_id and mail.sequence_id = line.sequence_id
    left join sms_sends message on message.enrollment_id = line.enrollment_id and message.sequence_id = line.sequence_id
    where enrollment.next_step_at is null and line.enrollment_id = enrollment.id and line.status = 'pending'
    limit 1
) on_its_way on true
where enrollment.campaign_id = :campaign_id and enrollment.status in ('active', 'engaged')
order by enrollment.id
limit :limit;

-- name: contact_called
-- Whom an operator means by an id or an address, in one organization.
select id, email, phone, first_name, last_name, company_name, timezone
from contacts
where org_id = :org_id and deleted_at is null and (id = uuid_or_null(:called) or normalise_address(email) = normalise_address(:called))
order by id
limit 1;
