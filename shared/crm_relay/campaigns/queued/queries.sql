-- name: queued_steps
-- What decides whether a queued mail or text message may still leave, of each.
with silent as materialized (
    -- Who may have written a reply that cannot be followed.
    select person.id
    from incidents
    cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(details -> 'people') when 'array' then details -> 'people' else '[]' end
    ) as person (id)
    where kind = 'reply_refused' and closed_at is null and told_closed_at is null and person.id is not null
)
select
    given.send_id, enrollment.status, enrollment.stopped_reason, person.deleted_at is not null as contact_deleted,
    owner.status as campaign_status, coalesce(step.is_active, false) as is_step_active, line.scheduled_at,
    owner.send_days, owner.send_window_start::text, owner.send_window_end::text, owner.timezone,
    case when owner.use_recipient_timezone then person.timezone end as recipient_zone, owner.late_policy, owner.late_minutes,
    enrollment.id::text in (select id from silent) as has_unread_reply
from :mails as given (send_id uuid, enrollment_id uuid, sequence_id uuid)
left join campaign_enrollments enrollment on enrollment.id = given.enrollment_id
left join campaigns owner on owner.id = enrollment.campaign_id
left join contacts person on person.id = enrollment.contact_id
left join campaign_sequences step on step.id = given.sequence_id
left join campaign_sequence_logs line on line.enrollment_id = given.enrollment_id and line.sequence_id = given.sequence_id;

-- name: held_steps
-- Whom release_steps would make due.
select distinct enrollment.id
from campaign_enrollments enrollment
join :changes as change (org_id uuid, campaign_id uuid, reasons text[]) on enrollment.held_for = any (change.reasons)
    and (change.org_id is null or enrollment.org_id = change.org_id)
    and (change.campaign_id is null or enrollment.campaign_id = change.campaign_id)
where enrollment.status in ('active', 'engaged') and enrollment.next_step_at > :now
order by enrollment.id;

-- name: release_steps
-- Steps that are held for one of these reasons are due now: whatever still holds them moves them again.
with change as (
    select * from :changes as change (org_id uuid, campaign_id uuid, reasons text[])
),
held as (
    select enrollment.id
    from campaign_enrollments enrollment
    join change on enrollment.held_for = any (change.reasons)
        and (change.org_id is null or enrollment.org_id = change.org_id)
        and (change.campaign_id is null or enrollment.campaign_id = change.campaign_id)
    where enrollment.status in ('active', 'engaged') and enrollment.next_step_at > :now
        and (cast(:people as uuid[]) is null or enrollment.id = any (cast(:people as uuid[])))
    order by enrollment.id
    for no key update of enrollment skip locked
)
update campaign_enrollments enrollment
set next_step_at = :now
from held
where enrollment.id = held.id
returning enrollment.id;
