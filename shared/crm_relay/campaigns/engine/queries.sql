-- name: take_turn
-- Claimers decide one after the other: the second counts what the first one queued. Held until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('campaign_claim', 51)) as take_turn;

-- name: claim_due
-- A batch of those whose step is due, with all that decides about them; their campaigns stand once, in the first row.
-- Campaigns and organizations take turns, and nobody waits behind an organization that has no room to send.
with recursive aside as materialized (
    -- Their rows stop others: they are taken alone, by name.
    select subject
    from incidents
    where kind in ('campaign_refused', 'step_refused', 'reply_refused') and closed_at is null and told_closed_at is null
    union
    -- Who may have written a reply that cannot be followed waits with it, whatever becomes of an incident of their own.
    select person.id
    from incidents
    cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(details -> 'people') when 'array' then details -> 'people' else '[]' end
    ) as person (id)
    where kind = 'reply_refused' and closed_at is null and told_closed_at is null and person.id is not null
),
place as (
    -- Where somebody stands, one probe of the index each: everybody at one place of a campaign has the same next step.
    select campaign.id as campaign_id, coalesce(campaign.org_id, default_org_id()) as org_id, campaign.identity_id, (
        select min(current_step)
        from campaign_enrollments
        where campaign_id = campaign.id and next_step_at is not null and status in ('active', 'engaged')
    ) as at
    from campaigns campaign
    where campaign.status = 'active' and campaign.source = 'native'
        -- While an operator stops sending everybody keeps their place, as in a pause.
        and not (
            (select exists (select from sending_stops where resumed_at is null))
            and is_sending_stopped(coalesce(campaign.org_id, default_org_id()), 'campaign')
        )
        and (cast(:campaigns as uuid[]) is null or campaign.id = any (cast(:campaigns as uuid[])))
        and (
            cast(:people as uuid[]) is null
            or campaign.id in (select campaign_id from campaign_enrollments where id = any (cast(:people as uuid[])))
        )
        and (
            cast(:campaigns as uuid[]) is not null or cast(:people as uuid[]) is not null
            or campaign.id::text not in (select subject from aside)
        )
    union all
    select place.campaign_id, place.org_id, place.identity_id, (
        select min(current_step)
        from campaign_enrollments
        where campaign_id = place.campaign_id and current_step > place.at
            and next_step_at is not null and status in ('active', 'engaged')
    )
    from place
    where place.at is not null
),
standing as materialized (
    select place.campaign_id, place.org_id, place.identity_id, place.at, step.id as step_id, coalesce(step.channel, 'none') as channel
    from place
    left join lateral (
        select id, channel
        from campaign_sequences
        where campaign_id = place.campaign_id and step_number > place.at and is_active
        order by step_number
        limit 1
    ) step on true
    where place.at is not null
        and exists (
            select
            from campaign_enrollments
            where campaign_id = place.campaign_id and current_step = place.at and status in ('active', 'engaged')
                and next_step_at <= :now
        )
),
-- What another transaction has locked is left out: this one would wait for it with the claimers' turn, and everybody with it.
-- Lines of the log refer to organization, campaign and step, and count on the step; mail refers to its sender.
free_organization as materialized (
    select id from organizations where id in (select org_id from standing) order by id for key share skip locked
),
free_campaign as materialized (
    select id from campaigns where id in (select campaign_id from standing) order by id for key share skip locked
),
free_step as materialized (
    select id from campaign_sequences where id in (select step_id from standing) order by id for no key update skip locked
),
free_sender as materialized (
    select id
    from email_identities
    where org_id in (select org_id from standing where channel = 'email')
    order by id
    for key share skip locked
),
waiting as materialized (
    select standing.*
    from standing
    join free_organization on free_organization.id = standing.org_id
    join free_campaign on free_campaign.id = standing.campaign_id
    where (step_id is null or step_id in (select id from free_step))
        and (channel <> 'email' or not exists (
            select
            from email_identities sender
            where sender.org_id = standing.org_id
                and (sender.id = standing.identity_id or standing.identity_id is null and sender.is_default)
                and sender.id not in (select id from free_sender)
        ))
),
-- What an organization may still queue in this minute; null: as much as it wants. What waits to leave uses the room as well.
room as materialized (
    select sender.org_id, case when here.mails is not null then here.mails - emails_waiting(sender.org_id, :now) end as mails_left
    from (select distinct org_id from waiting where channel = 'email') sender
    cross join lateral email_room(sender.org_id, :now) here
),
-- Who has sent something of which nobody knows yet whether a person wrote it waits for its headers.
unfollowed as materialized (
    select enrollment_id, source, is_auto_reply, lacks_headers, follows_stopping_step, has_stopping_step
    from waiting_replies()
    -- Anyone who is taken by name may be set aside for a reply that could not be followed.
    where cast(:people as uuid[]) is not null or inbox_item_id::text not in (select subject from aside)
),
share as (
    -- Of each place so many that the batch is full also where some of them have only a few.
    select least(cast(:limit as integer), 1 + 4 * cast(:limit as integer) / greatest(count(*)::integer, 1)) as each from waiting
),
candidate as (
    select
        due.id, waiting.org_id, due.next_step_at, waiting.channel = 'email' as is_email, room.mails_left,
        coalesce(due.address, due.id::text) as person,
        row_number() over (partition by waiting.campaign_id order by due.next_step_at, due.id) as turn
    from waiting
    left join room on room.org_id = waiting.org_id
    cross join lateral (
        select enrollment.id, enrollment.next_step_at, normalise_address(contact.email) as address
        from campaign_enrollments enrollment
        join contacts contact on contact.id = enrollment.contact_id
        where enrollment.campaign_id = waiting.campaign_id and enrollment.current_step = waiting.at
            and enrollment.status in ('active', 'engaged') and enrollment.next_step_at <= :now
            and enrollment.id not in (select enrollment_id from unfollowed where lacks_headers)
            and (cast(:people as uuid[]) is null or enrollment.id = any (cast(:people as uuid[])))
            and (cast(:people as uuid[]) is not null or enrollment.id::text not in (select subject from aside))
            -- Who is not on the list keeps their place, as everybody does in dry-run.
            and (
                cast(:allowed as text[]) is null
                or waiting.channel <> 'sms' and (
                    normalise_address(contact.email) = any (cast(:allowed as text[]))
                    or substring(normalise_address(contact.email) from '@[^@]*$') = any (cast(:allowed as text[]))
                )
                or waiting.channel <> 'email' and normalise_phone(contact.phone) = any (cast(:allowed as text[]))
            )
        order by enrollment.next_step_at
        limit (select each from share)
    ) due
    where waiting.channel <> 'email' or (:with_mail and (room.mails_left is null or room.mails_left > 0))
),
ranked as (
    select
        candidate.*,
        row_number() over (partition by org_id order by turn, next_step_at, id) as turn_of_organization,
        row_number() over (partition by org_id, is_email order by turn, next_step_at, id) as mail_of_organization,
        -- One step a person and batch: what the first one uses up of a frequency cap has to show before the second.
        row_number() over (partition by org_id, person order by turn, next_step_at, id) as turn_of_person
    from candidate
),
chosen as (
    select id
    from ranked
    where turn_of_person = 1 and (not is_email or mails_left is null or mail_of_organization <= mails_left)
    order by turn_of_organization, next_step_at, id
    limit :limit
),
-- Mail refers to the contact.
picked as materialized (
    select enrollment.*
    from campaign_enrollments enrollment
    join contacts person on person.id = enrollment.contact_id
    where enrollment.id in (select id from chosen) and enrollment.status in ('active', 'engaged') and enrollment.next_step_at <= :now
    for no key update of enrollment skip locked
    for key share of person skip locked
),
recipient as materialized (
    select
        picked.id, picked.org_id, picked.campaign_id, picked.contact_id, picked.current_step, picked.created_at,
        -- Nobody is late for the time in which the mode kept everything here.
        greatest(
            coalesce(picked.due_at, picked.next_step_at), (select changed_at from send_modes where purpose = 'campaign')
        ) as due_at,
        jsonb_build_object(
            'status', picked.status, 'current_step', picked.current_step, 'steps_completed', picked.steps_completed,
            'ab_variant', picked.ab_variant, 'emails_sent', picked.emails_sent, 'emails_opened', picked.emails_opened,
            'emails_clicked', picked.emails_clicked, 'linkedin_sent', picked.linkedin_sent, 'calls_made', picked.calls_made,
            'sms_sent', picked.sms_sent, 'engagement_score', picked.engagement_score, 'last_step_at', picked.last_step_at,
            'last_engagement_at', picked.last_engagement_at, 'first_opened_at', picked.first_opened_at,
            'first_clicked_at', picked.first_clicked_at, 'replied_at', picked.replied_at, 'error_count', picked.error_count,
            'next_step_at', picked.next_step_at, 'created_at', picked.created_at
        ) as fields,
        jsonb_build_object(
            'email', contact.email, 'phone', contact.phone, 'first_name', contact.first_name, 'last_name', contact.last_name,
            'company_name', contact.company_name, 'title', contact.title, 'timezone', contact.timezone,
            'linkedin_url', contact.linkedin_url, 'status', contact.status, 'created_at', contact.created_at
        ) as contact,
        normalise_address(contact.email) as address, normalise_phone(contact.phone) as phone, contact.timezone,
        contact.deleted_at is not null as contact_deleted
    from picked
    join contacts contact on contact.id = picked.contact_id
),
known as materialized (
    select 'email' as channel, fact.*
    from consent_facts('email', array(select address from recipient), array(select contact_id from recipient)) fact
    union all
    select 'sms', fact.*
    from consent_facts('sms', array(select phone from recipient), array(select contact_id from recipient)) fact
)
select
    recipient.id, recipient.org_id, recipient.campaign_id, recipient.contact_id, recipient.current_step, recipient.due_at,
    recipient.fields, recipient.contact, recipient.address, recipient.phone, recipient.timezone, recipient.contact_deleted,
    (
        select jsonb_agg(to_jsonb(known))
        from known
        where known.contact_id = recipient.contact_id
            or known.address = case known.channel when 'email' then recipient.address else recipient.phone end
    ) as consent,
    owner.topic is not null and exists (
        select
        from topic_opt_outs refused
        where refused.org_id = recipient.org_id and refused.address = recipient.address and refused.topic = owner.topic
    ) as topic_opt_out,
    (select jsonb_agg(reply) from unfollowed reply where reply.enrollment_id = recipient.id) as replies,
    exists (
        select
        from contacts other
        join campaign_enrollments twin on twin.contact_id = other.id
        where normalise_address(other.email) = recipient.address and twin.campaign_id = recipient.campaign_id
            and twin.id <> recipient.id and (twin.created_at, twin.id) < (recipient.created_at, recipient.id)
    ) as has_twin,
    capped.frees_at as cap_frees_at,
    case when row_number() over () = 1 then (
        select jsonb_agg(campaign_document(campaign_id)) from (select distinct campaign_id from recipient) each
    ) end as campaigns
from recipient
join campaigns owner on owner.id = recipient.campaign_id
left join lateral email_cap(recipient.org_id, recipient.address, :now) capped on true;

-- name: kept_due
-- How many people are due and keep their place because of the mode; so many at most are counted.
select count(*)::integer as people
from (
    select
    from campaigns campaign
    join campaign_enrollments enrollment on enrollment.campaign_id = campaign.id
    where campaign.status = 'active' and campaign.source = 'native'
        and enrollment.status in ('active', 'engaged') and enrollment.next_step_at <= :now
        and not is_sending_stopped(coalesce(campaign.org_id, default_org_id()), 'campaign')
    limit :limit
) due;

-- name: due_campaigns
-- Where somebody is due whom nothing sets aside; without a look at anything else that may be wrong with it.
select campaign.id as campaign_id
from campaigns campaign
where campaign.status = 'active' and campaign.source = 'native'
    and exists (
        select
        from campaign_enrollments
        where campaign_id = campaign.id and status in ('active', 'engaged') and next_step_at <= :now
    )
    and campaign.id::text not in (
        select subject from incidents where kind = 'campaign_refused' and closed_at is null and told_closed_at is null
    )
order by campaign.id;

-- name: due_people
-- Of one campaign; the same.
select id
from campaign_enrollments
where campaign_id = :campaign_id and status in ('active', 'engaged') and next_step_at <= :now
    and id::text not in (
        select subject from incidents where kind = 'step_refused' and closed_at is null and told_closed_at is null
    )
order by next_step_at, id
limit :limit;

-- name: campaign_document
-- Whether a campaign can be read.
select campaign_document(:campaign_id) as document;

-- name: record
-- All that was decided about a batch; a step that has its line already makes nothing a second time.
-- The lines of the log and by them what each step reached, work for people, and where everybody stands now.
with given as materialized (
    select gen_random_uuid() as activity_id, outcome.*
    from jsonb_to_recordset(:outcomes) as outcome (
        enrollment_id uuid, status text, current_step integer, next_step_at timestamptz, due_at timestamptz, held_for text, reason text,
        ab_variant text, error text, line text, sequence_id uuid, channel text, activity jsonb
    )
),
line as (
    insert into campaign_sequence_logs (
        org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, reason, ab_variant, scheduled_at, sent_at,
        activity_id, created_at, updated_at
    )
    select
        enrollment.org_id, enrollment.campaign_id, enrollment.id, given.sequence_id, given.current_step, given.channel, given.line,
        given.reason, given.ab_variant, coalesce(enrollment.due_at, enrollment.next_step_at), case given.line when 'sent' then cast(:now as timestamptz) end,
        case when given.activity is not null then given.activity_id end, :now, :now
    from given
    join campaign_enrollments enrollment on enrollment.id = given.enrollment_id
    where given.line is not null
    on conflict (enrollment_id, sequence_id) do nothing
    returning enrollment_id, sequence_id, channel, status
),
counted as (
    update campaign_sequences step
    set reached = step.reached + lines.number
    from (select sequence_id, count(*)::integer as number from line group by sequence_id) lines
    where step.id = lines.sequence_id
),
work as (
    insert into activities (
        id, org_id, entity_type, entity_id, secondary_entity_type, secondary_entity_id, type, subject, description, status, priority,
        due_date, metadata, created_at, updated_at
    )
    select
        given.activity_id, enrollment.org_id, 'contact', enrollment.contact_id, 'campaign', enrollment.campaign_id,
        work.type, work.subject, work.description, work.status, work.priority, work.due_date, work.metadata, :now, :now
    from given
    join line on line.enrollment_id = given.enrollment_id
    join campaign_enrollments enrollment on enrollment.id = given.enrollment_id
    cross join lateral jsonb_to_record(given.activity) as work (
        type text, subject text, description text, status text, priority text, due_date timestamptz, metadata jsonb
    )
    where given.activity is not null
),
moved as (
    update campaign_enrollments enrollment
    set
        status = coalesce(given.status, enrollment.status),
        current_step = coalesce(given.current_step, enrollment.current_step),
        steps_completed = coalesce(given.current_step, enrollment.steps_completed),
        next_step_at = given.next_step_at,
        due_at = given.due_at,
        held_for = given.held_for,
        stopped_reason = case given.line when 'stopped' then given.reason else enrollment.stopped_reason end,
        completed_at = case given.status when 'completed' then cast(:now as timestamptz) else enrollment.completed_at end,
        ab_variant = coalesce(given.ab_variant, enrollment.ab_variant),
        linkedin_sent = enrollment.linkedin_sent + coalesce((line.channel = 'linkedin' and line.status = 'sent')::integer, 0),
        calls_made = enrollment.calls_made + coalesce((line.channel = 'phone' and line.status = 'sent')::integer, 0),
        last_step_at = case line.status when 'sent' then cast(:now as timestamptz) else enrollment.last_step_at end,
        error_count = enrollment.error_count + (given.error is not null)::integer,
        last_error = coalesce(given.error, enrollment.last_error),
        last_error_at = case when given.error is not null then cast(:now as timestamptz) else enrollment.last_error_at end,
        updated_at = :now
    from given
    left join line on line.enrollment_id = given.enrollment_id
    where enrollment.id = given.enrollment_id
)
select count(*)::integer as lines from line;

-- name: lock_enrollments
-- Before anything of them is read; one that somebody else has locked is settled later. All ids in one row.
select array_agg(id) as ids
from (
    select id from campaign_enrollments where id = any(cast(:ids as uuid[])) order by id for no key update skip locked
) free;

-- name: lock_lines
-- The same of the lines of the log.
select array_agg(id) as ids
from (
    select line.id
    from :steps as given (sequence_id uuid, enrollment_ids uuid[])
    cross join unnest(given.enrollment_ids) as due (enrollment_id)
    join campaign_sequence_logs line on line.enrollment_id = due.enrollment_id and line.sequence_id = given.sequence_id
    order by line.id
    for no key update of line skip locked
) free;

-- name: read_settling
-- Of each step whose fate is known its line and where its enrollment is.
-- What everybody at one place of a campaign has alike is in one of their rows: the window, and after how long the next step is due.
select
    due.enrollment_id, given.sequence_id, line.id as line_id, line.step_number, line.channel, line.status as line_status,
    line.reason, line.scheduled_at, enrollment.status, enrollment.current_step, enrollment.next_step_at, enrollment.error_count,
    (
        select count(*) from campaign_sequence_logs other where other.enrollment_id = enrollment.id and other.status = 'pending'
    )::integer as pending,
    enrollment.campaign_id, person.timezone as recipient_zone,
    case when row_number() over (partition by enrollment.campaign_id, enrollment.current_step) = 1 then (
        select
            jsonb_build_object(
                'send_days', owner.send_days, 'send_window_start', owner.send_window_start, 'send_window_end', owner.send_window_end,
                'timezone', owner.timezone, 'use_recipient_timezone', owner.use_recipient_timezone, 'following', (
                    select jsonb_build_object('delay_days', delay_days, 'delay_hours', delay_hours, 'delay_minutes', delay_minutes)
                    from campaign_sequences
                    where campaign_id = enrollment.campaign_id and step_number > enrollment.current_step and is_active
                    order by step_number
                    limit 1
                )
            )
        from campaigns owner
        where owner.id = enrollment.campaign_id
    ) end as place
from :steps as given (sequence_id uuid, enrollment_ids uuid[])
cross join unnest(given.enrollment_ids) as due (enrollment_id)
join campaign_enrollments enrollment on enrollment.id = due.enrollment_id
join contacts person on person.id = enrollment.contact_id
left join campaign_sequence_logs line on line.enrollment_id = due.enrollment_id and line.sequence_id = given.sequence_id;

-- name: record_settled_lines
-- How the lines of the log end.
update campaign_sequence_logs known
set
    status = line.status, reason = line.reason, updated_at = :now,
    sent_at = case line.status when 'sent' then cast(:now as timestamptz) else known.sent_at end
from :lines as line (ids uuid[], status text, reason text)
cross join unnest(line.ids) as settled (id)
where known.id = settled.id;

-- name: record_settled
-- What follows for the enrollments.
update campaign_enrollments enrollment
set
    status = place.status,
    next_step_at = place.next_step_at,
    held_for = null,
    emails_sent = enrollment.emails_sent + place.emails,
    sms_sent = enrollment.sms_sent + place.texts,
    last_step_at = case when place.emails + place.texts > 0 then cast(:now as timestamptz) else enrollment.last_step_at end,
    error_count = enrollment.error_count + place.errors,
    last_error = coalesce(place.error, enrollment.last_error),
    last_error_at = case when place.errors > 0 then cast(:now as timestamptz) else enrollment.last_error_at end,
    stopped_reason = coalesce(place.stopped_reason, enrollment.stopped_reason),
    completed_at = case when place.completed then cast(:now as timestamptz) else enrollment.completed_at end,
    updated_at = :now
from :places as place (
    ids uuid[], status text, next_step_at timestamptz, emails integer, texts integer, errors integer, error text,
    stopped_reason text, completed boolean
)
cross join unnest(place.ids) as moved (id)
where enrollment.id = moved.id;
