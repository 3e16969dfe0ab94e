-- name: queued_steps
-- What decides whether a queued mail or text message may still leave, of each; what is the same for a step in one of its rows.
with silent as materialized (
    -- Who may have written a reply that cannot be followed.
    select person.id
    from incidents
    cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(details -> 'people') when 'array' then details -> 'people' else '[]' end
    ) as person (id)
    where kind = 'reply_refused' and closed_at is null and told_closed_at is null and person.id is not null
),
kept as materialized (
    -- A run that began before the mode changed may hold a message after the first run of the new mode has released all others.
    select id from email_sends where id = any (cast(:send_ids as uuid[])) and held_for = any (cast(:kept_by as text[]))
    union all
    select id from sms_sends where id = any (cast(:send_ids as uuid[])) and held_for = any (cast(:kept_by as text[]))
)
select
    mail.send_id, given.sequence_id, enrollment.campaign_id, enrollment.status, enrollment.stopped_reason,
    person.deleted_at is not null as contact_deleted,
    -- Nobody is late for the time in which the mode kept everything here, nor for a hold that outlives it.
    greatest(
        line.scheduled_at, (select changed_at from send_modes where purpose = 'campaign'),
        case when mail.send_id in (select id from kept) then cast(:now as timestamptz) end
    ) as scheduled_at,
    person.timezone as recipient_zone,
    enrollment.id::text in (select id from silent) as has_unread_reply,
    case when row_number() over (partition by enrollment.campaign_id, given.sequence_id) = 1 then (
        select
            jsonb_build_object(
                'campaign_status', owner.status, 'is_step_active', exists (
                    select from campaign_sequences where id = given.sequence_id and is_active
                ),
                'send_days', owner.send_days, 'send_window_start', owner.send_window_start, 'send_window_end', owner.send_window_end,
                'timezone', owner.timezone, 'use_recipient_timezone', owner.use_recipient_timezone,
                'late_policy', owner.late_policy, 'late_minutes', owner.late_minutes
            )
        from campaigns owner
        where owner.id = enrollment.campaign_id
    ) end as step
from :steps as given (sequence_id uuid, send_ids uuid[], enrollment_ids uuid[])
cross join unnest(given.send_ids, given.enrollment_ids) as mail (send_id, enrollment_id)
left join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
left join contacts person on person.id = enrollment.contact_id
left join campaign_sequence_logs line on line.enrollment_id = mail.enrollment_id and line.sequence_id = given.sequence_id;

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
