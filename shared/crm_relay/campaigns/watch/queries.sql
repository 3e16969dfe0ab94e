-- name: fold_totals
-- Changes of totals that were kept while the campaign's row was locked; a row that is locked still is left for the next run.
with free as materialized (
    select id
    from campaigns
    where id in (select campaign_id from campaign_total_changes)
        and (cast(:campaigns as uuid[]) is null or id = any (cast(:campaigns as uuid[])))
    order by id
    for no key update skip locked
),
added as (
    delete from campaign_total_changes change
    where change.campaign_id in (select id from free)
        or not exists (select from campaigns owner where owner.id = change.campaign_id)
    returning change.campaign_id, change.active, change.completed, change.sent
),
folded as (
    update campaigns owner
    set
        total_active = owner.total_active + change.active,
        total_completed = owner.total_completed + change.completed,
        total_sent = owner.total_sent + change.sent
    from (
        select campaign_id, sum(active) as active, sum(completed) as completed, sum(sent) as sent from added group by campaign_id
    ) change
    where owner.id = change.campaign_id
    returning owner.id
)
select count(*)::integer as campaigns from folded;

-- name: waits_for_its_turn
-- Whether a person's step is still to be made or settled: it is not due, or somebody has locked it.
select
    exists (select from campaign_unsettled where enrollment_id = :id)
    or exists (
        select
        from campaign_enrollments enrollment
        join campaigns campaign on campaign.id = enrollment.campaign_id
        where enrollment.id = :id and enrollment.status in ('active', 'engaged') and enrollment.next_step_at is not null
            and campaign.status = 'active'
    ) as waits;

-- name: changed_campaigns
-- Campaigns whose changes of totals wait.
select distinct change.campaign_id
from campaign_total_changes change
join campaigns owner on owner.id = change.campaign_id
order by change.campaign_id;

-- name: wait_for_claimers
-- No claimer holds a step or a campaign from here to the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('campaign_claim', 51));

-- name: locked_campaigns
-- Campaigns that another transaction has kept from going on, or from being counted, since before `before`.
with running as materialized (
    select id, coalesce(org_id, default_org_id()) as org_id, name, identity_id
    from campaigns
    where status = 'active' and source = 'native'
),
overdue as materialized (
    select id, campaign_id, contact_id
    from campaign_enrollments
    where campaign_id in (select id from running) and next_step_at <= :before and status in ('active', 'engaged')
    order by next_step_at
    limit :limit
),
overdue_batch as materialized (
    select id, org_id
    from email_batches
    where purpose = 'campaign' and state in ('queued', 'sending') and not_before <= :before
        and (claimed_until is null or claimed_until <= :before)
    order by not_before
    limit :limit
),
free_organization as materialized (
    select id
    from organizations
    where id in (select org_id from running union select org_id from overdue_batch)
    order by id
    for key share skip locked
),
free_batch as materialized (
    select id from email_batches where id in (select id from overdue_batch) order by id for no key update skip locked
),
free_person as materialized (
    select enrollment.id
    from campaign_enrollments enrollment
    join contacts person on person.id = enrollment.contact_id
    where enrollment.id in (select id from overdue)
    order by enrollment.id
    for no key update of enrollment skip locked
    for key share of person skip locked
),
free_campaign as materialized (
    select id from campaigns where id in (select id from running) order by id for key share skip locked
),
free_step as materialized (
    select id
    from campaign_sequences
    where campaign_id in (select id from running) and is_active
    order by id
    for no key update skip locked
),
free_sender as materialized (
    select id from email_identities where org_id in (select org_id from running) order by id for key share skip locked
)
select running.id, running.name
from running
where (
        running.org_id not in (select id from free_organization)
        or running.id not in (select id from free_campaign)
        or exists (
            select
            from campaign_sequences step
            where step.campaign_id = running.id and step.is_active and step.id not in (select id from free_step)
        )
        or exists (
            select
            from email_identities sender
            where sender.org_id = running.org_id and sender.id not in (select id from free_sender)
                and (sender.id = running.identity_id or running.identity_id is null and sender.is_default)
        )
    )
    and running.id in (select campaign_id from overdue)
    or running.id in (select campaign_id from overdue where id not in (select id from free_person))
union
-- Whose mail should have left before then.
select campaign.id, campaign.name
from overdue_batch
join email_sends mail on mail.batch_id = overdue_batch.id and mail.position is not null
join campaigns campaign on campaign.id = mail.campaign_id
where overdue_batch.id not in (select id from free_batch) or overdue_batch.org_id not in (select id from free_organization)
union
-- Whose fate could not be recorded since then.
select campaign.id, campaign.name
from campaign_unsettled unsettled
join campaign_enrollments enrollment on enrollment.id = unsettled.enrollment_id
join campaigns campaign on campaign.id = enrollment.campaign_id
where unsettled.since < clock_timestamp() - cast(:patience as interval)
union
select campaign.id, campaign.name
from campaigns campaign
where exists (
    select
    from campaign_total_changes change
    where change.campaign_id = campaign.id and change.changed_at < clock_timestamp() - cast(:patience as interval)
)
order by 1;

-- name: reported_campaigns
-- Campaigns whose fault was reported; one that is deleted or has ended needs no repair.
select
    incident.subject, campaign.id is not null and campaign.status in ('draft', 'active', 'paused') as is_open,
    campaign_document(campaign.id) as document
from incidents incident
left join campaigns campaign on campaign.id::text = incident.subject
where incident.kind in ('campaign_unreadable', 'campaign_content') and incident.closed_at is null and incident.told_closed_at is null
    and (cast(:subjects as text[]) is null or incident.subject = any (cast(:subjects as text[])))
order by incident.subject;

-- name: reported_subjects
-- Which campaigns' faults were reported.
select distinct subject
from incidents
where kind in ('campaign_unreadable', 'campaign_content') and closed_at is null and told_closed_at is null
order by subject;

-- name: set_aside
-- Some of those whose rows stopped others, at random: nobody waits for ever behind those that cannot be mended.
select kind, try_uuid(subject) as id
from incidents
where kind in ('campaign_refused', 'step_refused', 'reply_refused') and closed_at is null and told_closed_at is null
    and try_uuid(subject) is not null
order by random()
limit :limit;

-- name: release_held
-- Everybody whom a fault of their campaign holds is due at once.
-- One whose row is locked is asked again at its own time.
with held as materialized (
    select id
    from campaign_enrollments
    where campaign_id = any (cast(:campaigns as uuid[])) and held_for in ('campaign_unreadable', 'content')
        and status in ('active', 'engaged')
    order by id
    for no key update skip locked
),
released as (
    update campaign_enrollments
    set next_step_at = :now, held_for = null, updated_at = :now
    where id in (select id from held)
    returning 1
)
select count(*)::integer as people from released;

-- name: release_unreported
-- Everybody held by a fault of their campaign that no open incident reports is due.
-- A hold and its report commit together, so the report has closed since.
with stale as materialized (
    select held.id
    from organizations owner
    cross join lateral (
        -- By the index of those who are held, which is by organization.
        select id, campaign_id
        from campaign_enrollments
        where org_id = owner.id and held_for in ('campaign_unreadable', 'content')
            and next_step_at is not null and status in ('active', 'engaged')
        offset 0
    ) held
    where held.campaign_id::text not in (
        select subject
        from incidents
        where kind in ('campaign_unreadable', 'campaign_content') and closed_at is null and told_closed_at is null
    )
),
free as materialized (
    select id
    from campaign_enrollments
    where id in (select id from stale) and held_for in ('campaign_unreadable', 'content') and next_step_at > :now
        and status in ('active', 'engaged')
    order by id
    for no key update skip locked
),
released as (
    update campaign_enrollments
    set next_step_at = :now, held_for = null, updated_at = :now
    where id in (select id from free)
    returning 1
)
select count(*)::integer as people from released;

-- name: without_a_time
-- People in running campaigns whose next step nothing brings: they have no time, and nothing of theirs is on its way.
-- By what decides their time; the campaign is in one of its rows, where people are named.
with running as materialized (
    select
        owner.id, owner.use_recipient_timezone, exists (
            select from campaign_sequences where campaign_id = owner.id and is_active
        ) as has_steps
    from campaigns owner
    where owner.status = 'active' and owner.source = 'native'
),
forgotten as materialized (
    select
        resting.id, running.id as campaign_id, resting.current_step > 0 as has_begun,
        case when running.use_recipient_timezone then coalesce(person.timezone, '') else '' end as zone
    from running
    cross join lateral (
        select enrollment.id, enrollment.contact_id, enrollment.current_step
        from campaign_enrollments enrollment
        where enrollment.campaign_id = running.id and enrollment.next_step_at is null
            and enrollment.status in ('active', 'engaged') and enrollment.updated_at < :before
            and (cast(:people as uuid[]) is null or enrollment.id = any (cast(:people as uuid[])))
            -- Whose campaign has no step begins with the first one that it gets.
            and (enrollment.current_step > 0 or running.has_steps)
            -- What is on its way brings the next time with it. Each is looked up by itself.
            and not exists (
                select from campaign_sequence_logs line
                where line.enrollment_id = enrollment.id and line.status = 'pending'
                offset 0
            )
            and not exists (
                select from email_sends mail
                where mail.enrollment_id = enrollment.id and mail.status in ('queued', 'sending')
                offset 0
            )
            and not exists (
                select from sms_sends message
                where message.enrollment_id = enrollment.id and message.status in ('queued', 'sending')
                offset 0
            )
            and not exists (select from campaign_unsettled unsettled where unsettled.enrollment_id = enrollment.id offset 0)
        limit :limit
    ) resting
    join contacts person on person.id = resting.contact_id
)
select
    campaign_id, has_begun, zone, array_agg(id order by id) as people,
    case when cast(:people as uuid[]) is not null and row_number() over (partition by campaign_id order by has_begun, zone) = 1 then
        campaign_document(campaign_id)
    end as document
from forgotten
group by campaign_id, has_begun, zone
order by campaign_id, has_begun, zone;

-- name: lock_people
-- Before they are looked at again; one that somebody else has locked is left for the next look. All ids in one row.
select array_agg(id) as ids
from (
    select id from campaign_enrollments where id = any (cast(:people as uuid[])) order by id for no key update skip locked
) free;

-- name: give_times
-- When these go on.
update campaign_enrollments enrollment
set next_step_at = due.at, held_for = null, updated_at = :now
from :dues as due (at timestamptz, people uuid[])
cross join unnest(due.people) as given (id)
where enrollment.id = given.id;

-- name: forget_errors
-- Everybody whom errors in making a step have paused goes on, at once; those whom the provider refused are not among them.
with paused as materialized (
    select id
    from campaign_enrollments
    where campaign_id = :campaign_id and status = 'paused' and held_for = 'error' and error_count >= :errors_allowed
    order by id
    for no key update
),
released as (
    update campaign_enrollments enrollment
    set
        status = case when engagement_score > 0 then 'engaged' else 'active' end,
        next_step_at = coalesce(next_step_at, :now), held_for = null, error_count = 0, updated_at = :now
    from paused
    where enrollment.id = paused.id
    returning 1
)
select count(*)::integer as people from released;

-- name: campaign_documents
-- Every campaign that may still send, as the engine reads it.
select id, name, campaign_document(id) as document
from campaigns
where source = 'native' and status in ('draft', 'active', 'paused')
order by name, id;

-- name: archive_lines
-- Lines of sequences that ended long ago leave the log; the trigger on it keeps them in the archive.
with old as (
    select line.id
    from campaign_enrollments enrollment
    join campaign_sequence_logs line on line.enrollment_id = enrollment.id
    where enrollment.status not in ('active', 'engaged', 'paused') and enrollment.updated_at < :before and line.status <> 'pending'
    limit :limit
),
gone as (
    delete from campaign_sequence_logs where id in (select id from old) returning 1
)
select count(*)::integer as lines from gone;
