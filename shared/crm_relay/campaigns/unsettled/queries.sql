-- name: keep_unsettled
-- The fate of these messages is recorded, and what it means for their step waits.
insert into campaign_unsettled (send_id, channel, fate, reason, enrollment_id, sequence_id, has_events)
select send_id, :channel, fate, reason, enrollment_id, sequence_id, has_events
from :settled as settled (send_id uuid, fate text, reason text, enrollment_id uuid, sequence_id uuid, has_events boolean)
where enrollment_id is not null
on conflict (send_id) do nothing;

-- name: is_anything_unsettled
-- Whether a step waits at all.
select exists (select from campaign_unsettled) as waits;

-- name: lock_unsettled
-- What waits, at random: nobody waits for ever behind those whose rows are locked or refused. Who is set aside is looked at alone.
select send_id, channel, fate, reason, enrollment_id, sequence_id, has_events
from campaign_unsettled
where case when cast(:people as uuid[]) is null
    then enrollment_id::text not in (
        select subject from incidents where kind = 'step_refused' and closed_at is null and told_closed_at is null
    )
    else enrollment_id = any (cast(:people as uuid[]))
end
order by random()
limit :limit
for update skip locked;

-- name: forget_unsettled
-- These steps are settled by now.
delete from campaign_unsettled where send_id = any (cast(:sends as uuid[]));
