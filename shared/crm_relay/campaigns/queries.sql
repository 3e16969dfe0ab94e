-- name: count_of_person
-- What erase_person would change.
select
    (select count(*) from campaign_enrollments where address = any (:addresses::text[]) or contact_id in (
        select id from contacts where normalise_address(email) = any (:addresses::text[])
    ))::integer as campaign_enrollments;

-- name: enrollments_to_erase
-- By what somebody is enrolled: the address that is written to, or the contact's own.
select id
from campaign_enrollments
where address = any (:addresses::text[]) or contact_id in (
    select id from contacts where normalise_address(email) = any (:addresses::text[])
)
order by id;

-- name: erase_enrollments
-- Whom these enrollments were of; what steps reached stays counted.
update campaign_enrollments
set address = null, thread_id = null, last_error = null, updated_at = :now
where id = any (cast(:ids as uuid[]))
returning id;

-- name: enrollments_of
-- Where somebody stands in every campaign, and why there.
select
    enrollment.id, campaign.name as campaign, enrollment.status, enrollment.stopped_reason,
    case
        when enrollment.status in ('active', 'engaged') and campaign.status = 'active' and enrollment.next_step_at <= :now
            and is_sending_stopped(enrollment.org_id, 'campaign') then 'stopped_by_operator'
        when enrollment.status in ('active', 'engaged') and campaign.status = 'active' and enrollment.next_step_at <= :now
            and exists (select from send_modes where purpose = 'campaign' and mode = 'dry-run') then 'dry_run'
        else enrollment.held_for
    end as held_for,
    enrollment.current_step, enrollment.next_step_at, enrollment.emails_sent, enrollment.engagement_score, enrollment.error_count,
    enrollment.last_error, enrollment.created_at,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'step', line.step_number, 'channel', line.channel, 'status', line.status, 'reason', line.reason,
            'variant', line.ab_variant, 'at', coalesce(line.sent_at, line.created_at)
        ) order by line.step_number)
        from (
            select step_number, channel, status, reason, ab_variant, sent_at, created_at
            from campaign_sequence_logs where enrollment_id = enrollment.id
            union all
            select step_number, channel, status, reason, ab_variant, sent_at, created_at
            from campaign_sequence_logs_archive where enrollment_id = enrollment.id
        ) line
    ), '[]') as steps
from campaign_enrollments enrollment
join campaigns campaign on campaign.id = enrollment.campaign_id
where enrollment.address = any (:addresses::text[]) or enrollment.contact_id in (
    select id from contacts where normalise_address(email) = any (:addresses::text[])
)
order by enrollment.created_at desc, enrollment.id
limit :limit;

-- name: names_of
-- What campaigns are called, for anyone who knows them by their ids alone.
select id, name from campaigns where id = any (cast(:campaigns as uuid[]));
