-- name: campaigns_lifecycle_queries_campaigns_called
-- An operator names a campaign by its id or by its name; two with one name are told apart by id only.
select id from campaigns
where id = cast(:id as uuid) or (cast(:id as uuid) is null and name = :name and source = 'native')
order by id
limit 2;

-- name: campaigns_lifecycle_queries_references_of
-- What a definition points at: its organization, a campaign that has its name already, sender and templates.
select
    owner.id as org_id,
    exists (
        select from campaigns twin where twin.org_id = owner.id and twin.source = 'native' and twin.name = :name
    ) as is_name_taken,
    (
        select jsonb_build_object(
            'id', identity.id, 'from_name', identity.from_name, 'reply_to', identity.reply_to,
            'inbound_domain', identity.inbound_domain
        )
        from email_identities identity
        where identity.org_id = owner.id and normalise_address(identity.from_address) = normalise_address(:from_address)
    ) as identity,
    (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', template.id, 'slug', template.slug, 'subject', template.subject, 'body_html', template.body_html,
            'body_text', template.body_text, 'variables', template.variables
        ) order by template.created_at, template.id), '[]')
        from email_templates template
        where template.org_id = owner.id and template.is_active and template.slug = any (cast(:slugs as text[]))
    ) as templates
from organizations owner
where owner.id = coalesce(cast(:org_id as uuid), default_org_id());

-- name: campaigns_lifecycle_queries_insert_campaign
-- A draft with all its steps, its sender and a line in the history; nothing where the name was taken meanwhile.
with given as (
    select *
    from jsonb_to_record(:campaign) as given (
        name text, description text, send_days text[], send_window_start time, send_window_end time, timezone text,
        use_recipient_timezone boolean, topic text, late_policy text, late_minutes integer, stop_company_on_reply boolean
    )
),
sender as (
    insert into email_identities (org_id, from_address, from_name, reply_to, inbound_domain)
    select cast(:org_id as uuid), new.from_address, new.from_name, new.reply_to, new.inbound_domain
    from jsonb_to_record(:new_identity) as new (from_address text, from_name text, reply_to text, inbound_domain text)
    where new.from_address is not null
    returning id
),
made as (
    insert into campaigns (
        org_id, name, description, source, status, send_days, send_window_start, send_window_end, timezone,
        use_recipient_timezone, topic, late_policy, late_minutes, stop_company_on_reply, identity_id, created_at, updated_at
    )
    select
        cast(:org_id as uuid), given.name, given.description, 'native', 'draft', given.send_days, given.send_window_start,
        given.send_window_end, given.timezone, given.use_recipient_timezone, given.topic, given.late_policy, given.late_minutes,
        given.stop_company_on_reply, coalesce(cast(:identity_id as uuid), (select id from sender)), :now, :now
    from given
    where not exists (
        select from campaigns twin
        where twin.org_id = cast(:org_id as uuid) and twin.source = 'native' and twin.name = given.name
    )
    returning id
),
steps as (
    insert into campaign_sequences (
        campaign_id, step_number, channel, delay_days, delay_hours, delay_minutes, template_id, subject, body_html, body_text,
        task_config, skip_conditions, stop_on_reply, ab_variants, ab_test, is_active
    )
    select
        made.id, step.step_number, step.channel, step.delay_days, step.delay_hours, step.delay_minutes, step.template_id,
        step.subject, step.body_html, step.body_text, step.task_config, step.skip_conditions, step.stop_on_reply,
        step.ab_variants, step.ab_test, step.is_active
    from made
    cross join jsonb_to_recordset(:steps) as step (
        step_number integer, channel text, delay_days integer, delay_hours integer, delay_minutes integer, template_id uuid,
        subject text, body_html text, body_text text, task_config jsonb, skip_conditions jsonb, stop_on_reply boolean,
        ab_variants jsonb, ab_test jsonb, is_active boolean
    )
    returning 1
),
noted as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select cast(:org_id as uuid), 'campaign', made.id, 'created', :now, jsonb_build_object('by', cast(:who as text))
    from made
)
select id, (select count(*) from steps)::integer as steps from made;

-- name: campaigns_lifecycle_queries_lock_campaign
-- Whoever changes a campaign's state, or who is in it, does so one after the other.
select id, coalesce(org_id, default_org_id()) as org_id, name, status, source from campaigns where id = :id for no key update;

-- name: campaigns_lifecycle_queries_campaign_defined
-- A campaign as the engine reads it, with what decides whether it may begin.
select status, source, campaign_document(id) as document from campaigns where id = :id;

-- name: campaigns_lifecycle_queries_zones_without_a_time
-- On whose clocks a first time has to be found, and for how many; one line where the campaign knows only its own.
select zone, count(*)::integer as people
from (
    select case when cast(:by_recipient as boolean) then coalesce(contact.timezone, '') else '' end as zone
    from campaign_enrollments enrollment
    left join contacts contact on cast(:by_recipient as boolean) and contact.id = enrollment.contact_id
    where enrollment.campaign_id = :campaign_id and enrollment.next_step_at is null and enrollment.current_step = 0
        and enrollment.status in ('active', 'engaged')
) waiting
group by zone;

-- name: campaigns_lifecycle_queries_take_time
-- A million enrollments take longer to schedule than any other statement may, and less where a join keeps their order.
select set_config('statement_timeout', :milliseconds, true), set_config('work_mem', '128MB', true);

-- name: campaigns_lifecycle_queries_schedule_first_step
-- Everybody who is enrolled and has no time yet gets that of their zone, a million in one statement.
with due as (
    select * from jsonb_to_recordset(:dues) as due (zone text, at timestamptz)
),
scheduled as (
    update campaign_enrollments enrollment
    set next_step_at = due.at, held_for = null, updated_at = :now
    from due, contacts contact
    where contact.id = enrollment.contact_id
        and enrollment.campaign_id = :campaign_id and enrollment.next_step_at is null and enrollment.current_step = 0
        and enrollment.status in ('active', 'engaged')
        and due.zone = case when cast(:by_recipient as boolean) then coalesce(contact.timezone, '') else '' end
    returning 1
)
select count(*)::integer as scheduled from scheduled;

-- name: campaigns_lifecycle_queries_change_status
-- The campaign's new state, with who wanted it in the history.
with changed as (
    update campaigns
    set status = :status, updated_at = :now,
        activated_at = case when cast(:status as text) = 'active' then coalesce(activated_at, :now) else activated_at end,
        paused_at = case when cast(:status as text) = 'paused' then cast(:now as timestamptz) end
    where id = :id
    returning id, org_id
)
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign', id, :change, :now, cast(:about as jsonb) || jsonb_build_object('by', cast(:who as text))
from changed;

-- name: campaigns_lifecycle_queries_people_of_account
-- A company's contacts, a page at a time.
select contact.id
from contacts contact
where contact.account_id = :account_id and (cast(:after as uuid) is null or contact.id > cast(:after as uuid))
order by contact.id
limit :page_size;

-- name: campaigns_lifecycle_queries_organization_of_account
-- An account belongs to one organization; a campaign of another has no business with it.
select org_id from accounts where id = :id and deleted_at is null;

-- name: campaigns_lifecycle_queries_enroll
-- Everybody of a batch who may be written to, and a reason for each of the others, in one statement.
with owner as materialized (
    select id, coalesce(org_id, default_org_id()) as org_id, status, topic
    from campaigns
    where id = :campaign_id
    for no key update
),
asked as (
    select place, contact_id, normalise_address(address) as address
    from jsonb_to_recordset(:people) as asked (place integer, contact_id uuid, address text)
),
found as (
    select
        asked.place, person.id, person.org_id, person.deleted_at, person.timezone, normalise_address(person.email) as address,
        row_number() over (partition by person.id order by asked.place) as time_of_this_person
    from asked
    cross join owner
    left join lateral (
        select contact.* from contacts contact where contact.id = asked.contact_id
        union all
        (
            -- Of several with one address: of this organization, not deleted, the oldest.
            select contact.*
            from contacts contact
            where asked.contact_id is null and normalise_address(contact.email) = asked.address
            order by contact.org_id <> owner.org_id, contact.deleted_at is not null, contact.created_at, contact.id
            limit 1
        )
    ) person on true
),
judged as (
    select
        found.*,
        case
            when found.id is null then 'unknown'
            when found.org_id <> owner.org_id then 'other_organization'
            when found.time_of_this_person > 1 or exists (
                select from campaign_enrollments known where known.campaign_id = owner.id and known.contact_id = found.id
            ) then 'already'
            when found.deleted_at is not null then 'deleted'
            when found.address is null and cast(:needs_address as boolean) then 'no_address'
            when consent.suppressed_by is not null then consent.suppressed_by
            when exists (
                select from topic_opt_outs gone
                where gone.org_id = owner.org_id and gone.address = found.address and gone.topic = owner.topic
            ) then 'topic_opt_out'
            when exists (
                select from campaign_enrollments known where known.campaign_id = owner.id and known.address = found.address
            ) then 'same_address'
        end as refusal
    from found
    cross join owner
    left join lateral suppression(owner.org_id, 'email', found.address) as consent on found.address is not null
),
chosen as (
    select
        judged.*,
        coalesce(refusal, case
            when address is not null and row_number() over (partition by refusal, address order by place) > 1 then 'same_address'
        end) as left_out
    from judged
),
enrolled as (
    insert into campaign_enrollments (org_id, campaign_id, contact_id, address, created_at, updated_at)
    select owner.org_id, owner.id, chosen.id, chosen.address, :now, :now
    from chosen
    cross join owner
    where chosen.left_out is null
    on conflict do nothing
    returning id, contact_id
)
select
    coalesce(chosen.left_out, case when enrolled.id is null then 'already' else 'enrolled' end) as outcome,
    case when cast(:by_recipient as boolean) then coalesce(chosen.timezone, '') else '' end as zone,
    count(*)::integer as people,
    coalesce(array_agg(enrolled.id) filter (where enrolled.id is not null), '{}') as enrollments,
    (select status from owner) as status
from chosen
left join enrolled on enrolled.contact_id = chosen.id and chosen.left_out is null
group by 1, 2
order by 1, 2;

-- name: campaigns_lifecycle_queries_schedule_enrolled
-- Who joins a campaign that runs begins at once.
with due as (
    select due.at, cast(id as uuid) as id
    from jsonb_to_recordset(:dues) as due (at timestamptz, enrollments jsonb)
    cross join lateral jsonb_array_elements_text(due.enrollments) as id
)
update campaign_enrollments enrollment
set next_step_at = due.at
from due
where enrollment.id = due.id and enrollment.next_step_at is null;

-- name: campaigns_lifecycle_queries_note_enrolled
-- How many were enrolled, by whom and why the others were not: one line however many batches it took.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign', id, 'enrolled', :now, cast(:counts as jsonb) || jsonb_build_object('by', cast(:who as text))
from campaigns
where id = :campaign_id;

-- name: campaigns_lifecycle_queries_enrollment
-- One person's place in a campaign, locked for a change.
select
    enrollment.id, enrollment.org_id, enrollment.campaign_id, enrollment.status, enrollment.current_step,
    enrollment.next_step_at, enrollment.engagement_score, contact.timezone, campaign.status as campaign_status
from campaign_enrollments enrollment
join campaigns campaign on campaign.id = enrollment.campaign_id
join contacts contact on contact.id = enrollment.contact_id
where enrollment.id = :id
for no key update of enrollment;

-- name: campaigns_lifecycle_queries_change_enrollment
-- One person held or let go on; three errors in a row are forgotten with the hold that they led to.
with changed as (
    update campaign_enrollments
    set status = :status, next_step_at = cast(:next_step_at as timestamptz),
        error_count = case when cast(:status as text) = 'paused' then error_count else 0 end, updated_at = :now
    where id = :id
    returning id, org_id
)
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign_enrollment', id, :change, :now, jsonb_build_object('by', cast(:who as text))
from changed;

-- name: campaigns_lifecycle_queries_campaigns
-- Native campaigns with the counters that the engine keeps; those that run come first.
select
    campaign.id, campaign.name, campaign.status, campaign.topic, campaign.timezone, campaign.total_active, campaign.total_sent,
    campaign.total_completed, campaign.created_at, campaign.activated_at, campaign.paused_at,
    (select count(*) from campaign_sequences step where step.campaign_id = campaign.id and step.is_active)::integer as steps
from campaigns campaign
where campaign.source = 'native' and (cast(:status as text) is null or campaign.status = cast(:status as text))
    and (cast(:id as uuid) is null or campaign.id = cast(:id as uuid))
order by campaign.status <> 'active', coalesce(campaign.activated_at, campaign.created_at) desc, campaign.id
limit :at_most;

-- name: campaigns_lifecycle_queries_funnels
-- What became of everybody who reached a step: lines of the log, opens and clicks by people, and after which step they answered.
select
    accounting.campaign_id, accounting.step_number, accounting.channel, step.subject, step.is_active, step.ab_winner,
    accounting.reached, accounting.sent, accounting.skipped, accounting.failed, accounting.pending, accounting.stopped,
    accounting.holds, coalesce(mail.opened, 0)::integer as opened, coalesce(mail.clicked, 0)::integer as clicked,
    coalesce(answer.replied, 0)::integer as replied
from campaign_step_accounting accounting
join campaign_sequences step on step.id = accounting.sequence_id
left join lateral (
    select count(*) filter (where send.human_opens > 0) as opened, count(*) filter (where send.human_clicks > 0) as clicked
    from email_sends send
    where send.sequence_id = accounting.sequence_id
) mail on accounting.channel = 'email'
left join (
    select campaign_id, current_step, count(*) as replied
    from campaign_enrollments
    where campaign_id = any (cast(:campaign_ids as uuid[])) and replied_at is not null
    group by campaign_id, current_step
) answer on answer.campaign_id = accounting.campaign_id and answer.current_step = accounting.step_number
where accounting.campaign_id = any (cast(:campaign_ids as uuid[]))
order by accounting.campaign_id, accounting.step_number;

-- name: campaigns_lifecycle_queries_people_by_status
-- Where everybody of one campaign is by now.
select status, count(*)::integer as people from campaign_enrollments where campaign_id = :campaign_id group by status order by status;

-- name: campaigns_lifecycle_queries_history_of_campaign
-- Who did what with it, the latest first; counts, never people.
select change_type as change, changed_at as at, metadata ->> 'by' as by, metadata - 'by' as about
from entity_history
where entity_type = 'campaign' and entity_id = :campaign_id
order by changed_at desc, id
limit :at_most;

-- name: campaigns_lifecycle_queries_read_only
-- A look ahead sees one moment of the database, and can change nothing in it.
set transaction isolation level repeatable read, read only;

-- name: campaigns_lifecycle_queries_limits_of
-- What an organization may send a minute, and one person get in a while; the defaults where it has no row.
select
    case when limits.org_id is null then 100 else limits.emails_per_minute end as emails_per_minute,
    limits.cap_emails, limits.cap_days
from organizations owner
left join delivery_limits limits on limits.org_id = owner.id
where owner.id = :org_id;

-- name: campaigns_lifecycle_queries_people_ahead
-- Everybody whose sequence goes on, with all that decides about them (see claim_due), and when they were last written to.
select
    enrollment.id, enrollment.campaign_id, enrollment.contact_id, enrollment.current_step, enrollment.next_step_at as due_at,
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
    (select suppressed_by from suppression(enrollment.org_id, 'email', mailbox.address)) as suppressed_by,
    owner.topic is not null and exists (
        select
        from topic_opt_outs refused
        where refused.org_id = enrollment.org_id and refused.address = mailbox.address and refused.topic = owner.topic
    ) as topic_opt_out,
    phone.number is not null
        and (select suppressed_by from suppression(enrollment.org_id, 'sms', phone.number)) is not null as sms_suppressed,
    contact.deleted_at is not null as contact_deleted,
    false as answered,
    capped.mails as mails_before
from campaign_enrollments enrollment
join campaigns owner on owner.id = enrollment.campaign_id
join contacts contact on contact.id = enrollment.contact_id
cross join lateral (select normalise_address(contact.email) as address) mailbox
cross join lateral (
    -- As crm_relay.consent.address.normalise_phone.
    select case when bare ~ '^\+[1-9][0-9]{6,14}$' then bare end as number
    from (select regexp_replace(contact.phone, '[\s().\-/\u00a0]', '', 'g') as bare) written
) phone
left join lateral (
    select array_agg(queued_at) as mails
    from (
        select sent.queued_at
        from email_sends sent
        where cast(:cap_emails as integer) is not null and sent.org_id = enrollment.org_id and sent.address = mailbox.address
            and sent.queued_at > cast(:now as timestamptz) - cast(:cap_days as integer) * interval '1 day'
            and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed')
        order by sent.queued_at desc
        limit cast(:cap_emails as integer)
    ) latest
) capped on true
where enrollment.campaign_id = :campaign_id and enrollment.status in ('active', 'engaged')
order by enrollment.id
limit :at_most;

-- name: campaigns_lifecycle_queries_contacts_called
-- Whom an operator means by an address.
select contact.id
from contacts contact
join campaign_enrollments enrollment on enrollment.contact_id = contact.id and enrollment.campaign_id = :campaign_id
where normalise_address(contact.email) = normalise_address(:address)
order by contact.id;

-- name: campaigns_take_turn
-- Claimers decide one after the other, and a reply that is here ends its sequence before anybody is claimed.
select take_turn(:now) as stopped;

-- name: campaigns_claim_due
-- A batch of those whose step is due, with all that decides about them; their campaigns stand once, in the first row.
-- Campaigns and organizations take turns, and nobody waits behind an organization that has no room to send.
with recursive place as (
    -- Where somebody stands, one probe of the index each: everybody at one place of a campaign has the same next step.
    select campaign.id as campaign_id, coalesce(campaign.org_id, default_org_id()) as org_id, (
        select min(current_step)
        from campaign_enrollments
        where campaign_id = campaign.id and next_step_at is not null and status in ('active', 'engaged')
    ) as at
    from campaigns campaign
    where campaign.status = 'active' and campaign.source = 'native'
    union all
    select place.campaign_id, place.org_id, (
        select min(current_step)
        from campaign_enrollments
        where campaign_id = place.campaign_id and current_step > place.at
            and next_step_at is not null and status in ('active', 'engaged')
    )
    from place
    where place.at is not null
),
waiting as materialized (
    select place.campaign_id, place.org_id, place.at, coalesce(step.channel, 'none') as channel
    from place
    left join lateral (
        select channel
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
-- What an organization may still queue in this minute; null: as much as it wants. What waits to leave uses the room as well.
room as materialized (
    select
        sender.org_id,
        case when limits.org_id is null then 100 else limits.emails_per_minute end - recent.mails - backlog.mails as mails_left
    from (select distinct org_id from waiting where channel = 'email') sender
    left join delivery_limits limits on limits.org_id = sender.org_id
    cross join lateral (
        select count(*) as mails
        from email_sends
        where org_id = sender.org_id and queued_at > cast(:now as timestamptz) - interval '1 minute'
    ) recent
    cross join lateral (
        select count(*) as mails
        from email_batches batch
        join email_sends mail on mail.batch_id = batch.id
        where batch.org_id = sender.org_id and batch.purpose = 'campaign' and batch.state in ('queued', 'sending')
            -- What is held until its window opens leaves at another time.
            and batch.not_before <= cast(:now as timestamptz) + interval '15 minutes'
            and mail.position is not null
            and mail.queued_at <= cast(:now as timestamptz) - interval '1 minute'
    ) backlog
),
-- Who has sent something of which nobody knows yet whether a person wrote it waits for its headers.
unfollowed as materialized (
    select distinct enrollment_id, stops, is_read from unfollowed_replies
),
share as (
    -- Of each place so many that the batch is full also where some of them have only a few.
    select least(cast(:at_most as integer), 1 + 4 * cast(:at_most as integer) / greatest(count(*)::integer, 1)) as each from waiting
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
            and enrollment.id not in (select enrollment_id from unfollowed where not is_read)
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
    limit :at_most
),
picked as materialized (
    select *
    from campaign_enrollments
    where id in (select id from chosen) and status in ('active', 'engaged') and next_step_at <= :now
    for no key update skip locked
),
answered as materialized (
    select distinct enrollment_id from unfollowed where stops
)
select
    picked.id, picked.campaign_id, picked.contact_id, picked.current_step, picked.next_step_at as due_at,
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
    mailbox.address, phone.number as phone, contact.timezone,
    (select suppressed_by from suppression(picked.org_id, 'email', mailbox.address)) as suppressed_by,
    owner.topic is not null and exists (
        select
        from topic_opt_outs refused
        where refused.org_id = picked.org_id and refused.address = mailbox.address and refused.topic = owner.topic
    ) as topic_opt_out,
    phone.number is not null and (select suppressed_by from suppression(picked.org_id, 'sms', phone.number)) is not null as sms_suppressed,
    contact.deleted_at is not null as contact_deleted,
    answered.enrollment_id is not null as answered,
    capped.frees_at as cap_frees_at,
    case when row_number() over () = 1 then (
        select jsonb_agg(campaign_document(campaign_id)) from (select distinct campaign_id from picked) each
    ) end as campaigns
from picked
join campaigns owner on owner.id = picked.campaign_id
join contacts contact on contact.id = picked.contact_id
left join answered on answered.enrollment_id = picked.id
left join delivery_limits limits on limits.org_id = picked.org_id and limits.cap_emails is not null
cross join lateral (select normalise_address(contact.email) as address) mailbox
cross join lateral (
    -- As crm_relay.consent.address.normalise_phone.
    select case when bare ~ '^\+[1-9][0-9]{6,14}$' then bare end as number
    from (select regexp_replace(contact.phone, '[\s().\-/\u00a0]', '', 'g') as bare) written
) phone
left join lateral (
    -- The mail that has to grow old enough before the person may get another one.
    select sent.queued_at + limits.cap_days * interval '1 day' as frees_at
    from email_sends sent
    where limits.org_id is not null and sent.org_id = picked.org_id and sent.address = mailbox.address
        and sent.queued_at > cast(:now as timestamptz) - limits.cap_days * interval '1 day'
        and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed')
    order by sent.queued_at desc
    offset coalesce(limits.cap_emails, 1) - 1
    limit 1
) capped on true;

-- name: campaigns_record
-- All that was decided about a batch; a step that has its line already makes nothing a second time.
-- The lines of the log and by them what each step reached, work for people, text messages, and where everybody stands now.
with given as materialized (
    select gen_random_uuid() as activity_id, outcome.*
    from jsonb_to_recordset(:outcomes) as outcome (
        enrollment_id uuid, status text, current_step integer, next_step_at timestamptz, held_for text, reason text,
        ab_variant text, error text, line text, sequence_id uuid, channel text, activity jsonb, sms jsonb
    )
),
line as (
    insert into campaign_sequence_logs (
        org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, reason, ab_variant, scheduled_at, sent_at,
        activity_id, created_at, updated_at
    )
    select
        enrollment.org_id, enrollment.campaign_id, enrollment.id, given.sequence_id, given.current_step, given.channel, given.line,
        given.reason, given.ab_variant, enrollment.next_step_at, case given.line when 'sent' then cast(:now as timestamptz) end,
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
messages as (
    insert into sms_sends (
        org_id, send_key, enrollment_id, campaign_id, sequence_id, contact_id, to_number, body, not_before, queued_at, updated_at
    )
    select
        enrollment.org_id, message.send_key, enrollment.id, enrollment.campaign_id, given.sequence_id, enrollment.contact_id,
        message.to_number, message.body, :now, :now, :now
    from given
    join campaign_enrollments enrollment on enrollment.id = given.enrollment_id
    cross join lateral jsonb_to_record(given.sms) as message (send_key text, to_number text, body text)
    where given.sms is not null
    on conflict (send_key) do nothing
),
moved as (
    update campaign_enrollments enrollment
    set
        status = case
            when given.error is not null and enrollment.error_count >= :errors_allowed - 1 then 'paused'
            else coalesce(given.status, enrollment.status)
        end,
        current_step = coalesce(given.current_step, enrollment.current_step),
        steps_completed = coalesce(given.current_step, enrollment.steps_completed),
        next_step_at = case
            when given.error is not null and enrollment.error_count >= :errors_allowed - 1 then null
            else given.next_step_at
        end,
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

-- name: campaigns_settle
-- What became of mails that campaigns queued, and what events that came before it was known mean by now.
select
    settle_campaign_mail(:settled, :now) as lines,
    react_to_mails(array(
        select mail.enrollment_id
        from jsonb_to_recordset(:settled) as given (enrollment_id uuid, sequence_id uuid)
        join email_sends mail on mail.enrollment_id = given.enrollment_id and mail.sequence_id = given.sequence_id
        where mail.opened_count + mail.clicked_count > 0 or mail.bounced_at is not null or mail.complained_at is not null
    ), :now) as reacted;

-- name: campaigns_stop_answered
-- What came in as a reply ends the sequences that it answers; and what is queued for whoever is in none any more is taken back.
select stop_answered(:now) as stopped, take_back_ended(:now) as taken_back;

-- name: campaigns_stop_for_address
-- Whoever wants no more mail, or can get none, is in no campaign any longer.
select stop_for_address(:org_id, :address, :topic, :status, :reason, :now) as stopped;

-- name: campaigns_follow_mail_event
-- The function says what follows from an event, and in which order.
select follow_mail_event(:event) as outcome;

-- name: campaigns_claim_text
-- The text message that waits longest, ours until `claimed_until`; of one that was tried before nobody knows what became of it.
with due as (
    select id
    from sms_sends
    where (status = 'queued' and not_before <= :now)
        or (status = 'sending' and coalesce(claimed_until, not_before) <= :now and not_before <= :now)
    order by not_before, id
    limit 1
    for update skip locked
),
claimed as (
    update sms_sends message
    set
        status = 'sending', attempts = message.attempts + 1, claimed_until = :claimed_until,
        first_attempt_at = coalesce(message.first_attempt_at, cast(:now as timestamptz)), updated_at = :now
    from due
    where message.id = due.id
    returning message.*
)
select
    claimed.id, claimed.org_id, claimed.enrollment_id, claimed.sequence_id, claimed.to_number, claimed.body, claimed.attempts,
    claimed.first_attempt_at,
    coalesce((select suppressed_by from suppression(claimed.org_id, 'sms', claimed.to_number)) is not null, false) as is_suppressed,
    campaign.send_days, campaign.send_window_start, campaign.send_window_end, campaign.timezone as campaign_zone,
    case when campaign.use_recipient_timezone then contact.timezone end as recipient_zone,
    case
        when claimed.to_number is null or claimed.body is null then 'erased'
        -- With its contact, or with its whole campaign.
        when enrollment.id is null or campaign.id is null then 'gone'
        when enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
            then coalesce(enrollment.stopped_reason, enrollment.status)
    end as ended_by,
    coalesce(campaign.status = 'paused', false) as is_campaign_paused
from claimed
left join campaign_enrollments enrollment on enrollment.id = claimed.enrollment_id
left join campaigns campaign on campaign.id = claimed.campaign_id
left join contacts contact on contact.id = claimed.contact_id;

-- name: campaigns_record_text
-- What became of a text message, and of the step that queued it; surely unsent ones begin anew.
with message as (
    update sms_sends
    set
        status = :status, reason = :reason, twilio_sid = coalesce(cast(:sid as text), twilio_sid),
        not_before = coalesce(cast(:not_before as timestamptz), not_before), claimed_until = null,
        attempts = case cast(:status as text) when 'queued' then 0 else attempts end,
        first_attempt_at = case cast(:status as text) when 'queued' then null else first_attempt_at end,
        sent_at = case cast(:status as text) when 'sent' then cast(:now as timestamptz) end,
        -- Nobody has to read it any more.
        body = case when cast(:status as text) in ('queued', 'sending') then body end,
        updated_at = :now
    where id = :id
    returning enrollment_id
)
select case
    when cast(:line as jsonb) is null then 0
    else settle_campaign_mail(jsonb_build_array(:line), :now)
end as lines
from message;

-- name: campaigns_open_tests
-- Every A/B test without a verdict, and what people did with each variant in the time that all of them were watched.
select
    step.id, step.ab_test, step.ab_variants,
    coalesce((
        select jsonb_agg(jsonb_build_object('id', arm.id, 'recipients', arm.recipients, 'conversions', arm.conversions))
        from (
            select
                mail.ab_variant as id, count(*) as recipients,
                count(*) filter (where case coalesce(step.ab_test ->> 'metric', 'opened')
                    when 'opened' then mail.first_human_open_at <= mail.sent_at + patience.length
                    when 'clicked' then mail.first_human_click_at <= mail.sent_at + patience.length
                    else exists (
                        select
                        from inbox_items reply
                        where reply.enrollment_id = mail.enrollment_id and not reply.is_auto_reply
                            and reply.received_at between mail.sent_at and mail.sent_at + patience.length
                    )
                end) as conversions
            from email_sends mail
            where mail.sequence_id = step.id and mail.ab_variant is not null
                and mail.sent_at <= cast(:now as timestamptz) - patience.length
                and mail.status not in ('queued', 'sending', 'refused', 'dry_run', 'failed', 'suppressed', 'unknown')
            group by mail.ab_variant
        ) arm
    ), '[]') as arms
from campaign_sequences step
cross join lateral (
    -- Of a plan that makes no sense any length will do: it is not judged, and must not stop the others.
    select interval '1 hour' * case jsonb_typeof(step.ab_test -> 'wait_hours')
        when 'number' then least(greatest((step.ab_test ->> 'wait_hours')::numeric, 0), 100000)::double precision else 72
    end as length
) patience
where jsonb_typeof(step.ab_test) = 'object' and step.ab_verdict is null
order by step.id;

-- name: campaigns_keep_verdicts
-- The first look is the only one: who comes second finds it taken.
update campaign_sequences step
set ab_verdict = given.verdict, ab_winner = given.winner, updated_at = :now
from jsonb_to_recordset(:verdicts) as given (id uuid, winner text, verdict jsonb)
where step.id = given.id and step.ab_verdict is null
returning step.id;

-- name: campaigns_archive_lines
-- Lines of sequences that ended long ago leave the log; the trigger on it keeps them in the archive.
with old as (
    select line.id
    from campaign_enrollments enrollment
    join campaign_sequence_logs line on line.enrollment_id = enrollment.id
    where enrollment.status not in ('active', 'engaged', 'paused') and enrollment.updated_at < :before and line.status <> 'pending'
    limit :at_most
),
gone as (
    delete from campaign_sequence_logs where id in (select id from old) returning 1
)
select count(*)::integer as lines from gone;

-- name: campaigns_count_of_person
-- What erase_person would change.
select
    (select count(*) from campaign_enrollments where address = any (:addresses::text[]) or contact_id in (
        select id from contacts where normalise_address(email) = any (:addresses::text[])
    ))::integer as campaign_enrollments,
    (select count(*) from sms_sends where to_number = any (:phones::text[]))::integer as sms_sends;

-- name: campaigns_erase_person
-- Whoever is erased is in no campaign any longer; what steps reached stays counted, without saying of whom.
with theirs as materialized (
    select id
    from campaign_enrollments
    where address = any (:addresses::text[]) or contact_id in (
        select id from contacts where normalise_address(email) = any (:addresses::text[])
    )
),
stopped as materialized (
    select stop_enrollments(array(select id from theirs), 'unsubscribed', 'erased', :now) as number
),
enrollment as (
    select erase_enrollments(array(select id from theirs)) as number from stopped
),
message as (
    update sms_sends
    set to_number = null, body = null, updated_at = :now
    where to_number = any (:phones::text[])
    returning 1
)
select
    (select number from enrollment)::integer as campaign_enrollments,
    (select count(*) from message)::integer as sms_sends;

-- name: campaigns_enrollments_of
-- Where somebody stands in every campaign, and why there.
select
    enrollment.id, campaign.name as campaign, enrollment.status, enrollment.stopped_reason, enrollment.held_for,
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
limit :at_most;

-- name: consent_record_events
-- A whole batch, each event once; the function is the ledger's one way in, for SQL as well.
select record_consent_events(:events) as recorded;

-- name: consent_grant_consent
-- The one way back: the line in the ledger and the person's own mark go in one statement, or neither does.
with granted as (
    insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
    values (coalesce(cast(:org_id as uuid), default_org_id()), :channel, :address, 'consent', :source, :evidence, :occurred_at)
    returning org_id, channel, address
),
concerned as (
    select mail.customer_id, bool_or(mail.is_valid is false) as is_invalid
    from granted
    join customer_emails mail on normalise_address(mail.email) = granted.address
    join customer_profiles owner
        on owner.id = mail.customer_id and coalesce(owner.org_id, default_org_id()) = granted.org_id
    where granted.channel = 'email'
    group by mail.customer_id
),
cleared as (
    update customer_profiles profile
    set opted_out_at = null
    from concerned
    where profile.id = concerned.customer_id and profile.opted_out_at is not null
)
select
    count(*)::integer as customers,
    count(*) filter (where profile.do_not_contact is true)::integer as do_not_contact,
    count(*) filter (where concerned.is_invalid)::integer as invalid_address
from concerned
join customer_profiles profile on profile.id = concerned.customer_id;

-- name: consent_history
-- Everything that was ever recorded about one address, for whoever asks why.
select id, org_id, channel, address, kind, source, source_event, evidence, occurred_at, recorded_at
from consent_events
where channel in ('email', 'sms') and address = any (cast(:addresses as text[]))
order by occurred_at, id;

-- name: consent_ledger_page
-- The ledger piece by piece, in the order in which it was written, however long it is.
select id, org_id, channel, address, kind, source, source_event, evidence, occurred_at, recorded_at
from consent_events
where id > :after
order by id
limit :page_size;

-- name: consent_erasure_salt
-- With it Python's hash of an address is the database's.
select value from installation_settings where key = 'erasure_salt';

-- name: consent_allow_erasure
-- The ledger is append-only but for this: an address may be replaced by its hash, until the transaction ends.
select set_config('app.erasure', 'on', true);

-- name: consent_hash_entries
-- The person's lines stay as evidence that somebody opted out, without saying who.
with given as (
    select * from jsonb_to_recordset(:marks) as given (channel text, mark text, key text)
),
repeated as (
    -- The same event under address and hash: one of them is enough.
    delete from consent_events event
    using given
    where event.channel = given.channel and event.address = given.mark
        and exists (
            select
            from consent_events twin
            where twin.channel = given.channel and twin.address = given.key
                and twin.source = event.source and twin.source_event = event.source_event
        )
    returning event.id
),
hashed as (
    update consent_events event
    set address = given.key, evidence = case when event.kind = 'consent' then 'erased' end
    from given
    where event.channel = given.channel and event.address = given.mark
        and not exists (
            select
            from consent_events twin
            where twin.channel = given.channel and twin.address = given.key
                and twin.source = event.source and twin.source_event = event.source_event
        )
    returning event.id
)
select (select count(*) from repeated)::integer + (select count(*) from hashed)::integer as entries;

-- name: consent_record_erasure
-- One line a mark; an earlier erasure that no consent has lifted since says it already.
insert into consent_events (channel, address, kind, source, occurred_at)
select given.channel, given.key, 'erased', 'erase', :occurred_at
from jsonb_to_recordset(:marks) as given (channel text, key text)
where not exists (
    select
    from consent_events known
    where known.channel = given.channel and known.address = given.key and known.kind = 'erased'
        and not exists (
            select
            from consent_events lifted
            where lifted.channel = given.channel and lifted.address = given.key and lifted.kind = 'consent'
                and lifted.occurred_at >= known.occurred_at
        )
);

-- name: contacts_read_changed
-- One window of the dirty list and the rows whose turn comes again, with everybody whom they concern; unchanged ones end here.
with noted as materialized (
    select seq, customer_id from mautic_dirty where seq > :after_note order by seq limit :window
),
reach as (
    select coalesce(max(seq), :after_note) as last_note, count(*) as notes_read from noted
),
due as materialized (
    select customer_id from mautic_sync_status where next_attempt_at <= :now order by next_attempt_at limit :window
),
named as materialized (
    select customer_id from noted
    union
    select customer_id from due
    union
    -- Asked for by name (why): described whether they changed or not.
    select unnest(:only::uuid[])
),
everybody as materialized (
    select customer_id from named
    union
    -- Who shares an address with one of them: whom it belongs to may have changed.
    select other.customer_id
    from customer_emails mine
    join customer_emails other on normalise_address(other.email) = normalise_address(mine.email)
    where mine.customer_id in (select customer_id from named)
    union
    select customer_id from mautic_sync_status where conflict_owner_id in (select customer_id from named)
),
described as materialized (
    select everybody.customer_id, source
    from everybody
    left join mautic_sync_source source on source.customer_id = everybody.customer_id
),
rivals as materialized (
    -- Everybody who has one of these addresses, chosen or not: Mautic can hold an address once.
    select wanted.address, mail.customer_id
    from (select distinct (source).address from described where (source).address is not null) wanted
    join customer_emails mail on normalise_address(mail.email) = wanted.address
    group by wanted.address, mail.customer_id
),
owners as materialized (
    -- Of several customers who chose one address the youngest owns it; the id breaks a tie.
    select distinct on (rivals.address) rivals.address, rivals.customer_id
    from rivals
    join customer_profiles profile on profile.id = rivals.customer_id
    join lateral (
        select email
        from customer_emails
        where customer_id = rivals.customer_id
        order by is_primary is true desc, first_seen_at, id
        limit 1
    ) chosen on normalise_address(chosen.email) = rivals.address
    order by rivals.address, profile.created_at desc, rivals.customer_id desc
),
kept as materialized (
    -- The contact that stays for an address: the owner's, else one that the owner takes over from another customer.
    select
        owners.address,
        owners.customer_id as owner_id,
        coalesce(
            min(status.mautic_contact_id) filter (where status.customer_id = owners.customer_id),
            min(status.mautic_contact_id)
        ) as contact_id
    from owners
    join rivals on rivals.address = owners.address
    left join mautic_sync_status status on status.customer_id = rivals.customer_id
    group by owners.address, owners.customer_id
),
present as materialized (
    select
        described.customer_id,
        described.source,
        (described.source).customer_id is not null as found,
        :mapping_version || ':' || (described.source).fingerprint as current_hash,
        kept.owner_id,
        kept.contact_id as kept_contact_id,
        status.mautic_contact_id,
        status.sync_hash,
        status.customer_id is not null as known,
        coalesce(status.attempts, 0) as attempts,
        coalesce(status.segments, '{}') as known_segments,
        coalesce(status.segments_settled, true) as segments_settled,
        status.dnc_reason as known_dnc_reason,
        coalesce(status.left_out, '{}') as left_out,
        (
            -- Nothing to do: exactly this was confirmed, and nothing else is open.
            status.sync_hash = :mapping_version || ':' || (described.source).fingerprint
            and status.mautic_contact_id is not null
            and status.sync_error is null
            and status.next_attempt_at is null
            and status.segments_settled
            and kept.owner_id = described.customer_id
        ) is true as unchanged
    from described
    left join mautic_sync_status status on status.customer_id = described.customer_id
    left join kept on kept.address = (described.source).address
),
lines as materialized (
    select customer_id, array_agg(seq) as notes from noted group by customer_id
),
settled as (
    delete from mautic_dirty
    where :consume
        and seq in (select noted.seq from noted join present using (customer_id) where present.unchanged)
)
select
    reach.last_note,
    reach.notes_read,
    present.customer_id as id,
    present.found,
    (present.source).*,
    present.current_hash,
    present.owner_id,
    present.kept_contact_id,
    present.mautic_contact_id,
    present.sync_hash,
    present.known,
    present.attempts,
    present.known_segments,
    present.segments_settled,
    present.known_dnc_reason,
    present.left_out,
    coalesce(lines.notes, '{}') as notes
from reach
left join present on not present.unchanged or present.customer_id = any (:only::uuid[])
left join lines on lines.customer_id = present.customer_id
-- In one order everywhere, so that a run can be told again.
order by present.customer_id;

-- name: contacts_find_customers
-- Whom an address, a customer id or a contact id of Mautic's means.
select customer_id from customer_emails where normalise_address(email) = :address::text
union
select id from customer_profiles where id = :customer_id::uuid
union
select customer_id from mautic_sync_status where mautic_contact_id = :contact_id::integer
union
select customer_id from mautic_former_contacts where mautic_contact_id = :contact_id::integer
order by customer_id;

-- name: contacts_status_of
-- What is remembered of these customers' contacts.
select
    customer_id, mautic_contact_id, last_synced_at, sync_error, attempts, next_attempt_at, conflict_owner_id, segments,
    dnc_reason, left_out
from mautic_sync_status
where customer_id = any (:customer_ids::uuid[]);

-- name: contacts_known_by
-- By what else these customers may be met: addresses, numbers, contacts that they had, and notes that no run has read yet.
with noted as (
    select customer_id, count(*)::integer as notes
    from (
        select customer_id from mautic_dirty
        union all
        select unnest(customer_ids) from mautic_dirty_bulk where customer_ids && :customer_ids::uuid[]
    ) note
    where customer_id = any (:customer_ids::uuid[])
    group by customer_id
)
select
    profile.id as customer_id,
    array(
        select distinct normalise_address(email)
        from customer_emails
        where customer_id = profile.id and normalise_address(email) is not null
    ) as addresses,
    array(select distinct phone_e164 from customer_phones where customer_id = profile.id) as phones,
    coalesce(noted.notes, 0) as open_notes,
    coalesce(
        (
            select jsonb_agg(
                jsonb_build_object(
                    'mautic_contact_id', former.mautic_contact_id,
                    'forgotten_at', former.forgotten_at,
                    -- Merged in Mautic, or given to somebody else: whose contact it is now.
                    'now_of', (
                        select status.customer_id
                        from mautic_sync_status status
                        where status.mautic_contact_id = former.mautic_contact_id
                        order by status.customer_id
                        limit 1
                    )
                )
                order by former.forgotten_at, former.mautic_contact_id
            )
            from mautic_former_contacts former
            where former.customer_id = profile.id
        ),
        '[]'
    ) as former_contacts
from customer_profiles profile
left join noted on noted.customer_id = profile.id
where profile.id = any (:customer_ids::uuid[]);

-- name: contacts_removals_of
-- Contacts that outlive their customer until Mautic has been told: all that is left here of somebody who was deleted.
select mautic_contact_id, customer_id, requested_at, attempts, next_attempt_at, error
from mautic_removals
where mautic_contact_id = :contact_id::integer or customer_id = any (:customer_ids::uuid[])
order by mautic_contact_id;

-- name: contacts_drifted
-- Rows whose contact differs from what was confirmed: forgotten as confirmed, so that the next run writes them anew.
with drifted as (
    select *
    from jsonb_to_recordset(:findings) as finding (customer_id uuid, is_deleted boolean, memberships text[])
),
forgotten as (
    insert into mautic_former_contacts (mautic_contact_id, customer_id)
    select status.mautic_contact_id, status.customer_id
    from drifted
    join mautic_sync_status status on status.customer_id = drifted.customer_id
    where drifted.is_deleted and status.mautic_contact_id is not null
    on conflict do nothing
),
noted as (
    insert into mautic_dirty (customer_id) select customer_id from drifted
)
update mautic_sync_status status
set
    sync_hash = null,
    mautic_contact_id = case when drifted.is_deleted then null else status.mautic_contact_id end,
    segments = case when drifted.is_deleted then '{}' else coalesce(drifted.memberships, status.segments) end,
    segments_settled = true,
    updated_at = now()
from drifted
where status.customer_id = drifted.customer_id;

-- name: contacts_request_removals
-- Contacts that carry the id of a customer who is not here any more.
insert into mautic_removals (mautic_contact_id, customer_id)
select contact_id, customer_id
from jsonb_to_recordset(:strangers) as stranger (contact_id integer, customer_id uuid)
on conflict do nothing;

-- name: contacts_confirmed_contacts
-- One page of what Mautic has confirmed, for the audit to look for what is not there any more.
select customer_id, mautic_contact_id
from mautic_sync_status
where mautic_contact_id > :after
order by mautic_contact_id
limit :size;

-- name: contacts_record_outcomes
-- What became of a batch, in one statement: status, the lines of the dirty list it answers, contacts nobody owns any more.
with outcome as materialized (
    select *
    from jsonb_to_recordset(:outcomes) as outcome (
        customer_id uuid, notes bigint[], known_contact_id integer, contact_id integer, sync_hash text, error text,
        attempts integer, next_attempt_at timestamptz, conflict_owner_id uuid, segments text[], segments_settled boolean,
        dnc_reason smallint, left_out text[], confirmed boolean, removed_contact_id integer
    )
),
alive as materialized (
    -- Held until the commit, so that the status row cannot lose its customer in between.
    select profile.id from customer_profiles profile join outcome on outcome.customer_id = profile.id
    order by profile.id for key share of profile
),
cleared as (
    delete from mautic_dirty where seq in (select unnest(notes) from outcome)
),
orphaned as (
    insert into mautic_removals (mautic_contact_id, customer_id)
    select distinct on (contact) contact, customer_id
    from (
        -- Deleted here while Mautic was being told.
        select contact_id as contact, customer_id from outcome where customer_id not in (select id from alive)
        union all
        select removed_contact_id, customer_id from outcome
    ) gone
    where contact is not null
    on conflict do nothing
),
displaced as (
    -- Merged in Mautic: the contact is this customer's now, and whoever had it before is looked at again.
    update mautic_sync_status other
    set mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true
    from outcome
    where outcome.confirmed
        and other.mautic_contact_id = outcome.contact_id
        and other.customer_id not in (select customer_id from outcome)
    returning other.customer_id
),
noted as (
    insert into mautic_dirty (customer_id) select customer_id from displaced
)
insert into mautic_sync_status as status (
    customer_id, mautic_contact_id, sync_hash, last_synced_at, sync_error, attempts, next_attempt_at, conflict_owner_id,
    segments, segments_settled, dnc_reason, left_out, updated_at
)
select
    outcome.customer_id, outcome.contact_id, outcome.sync_hash, case when outcome.confirmed then :now end, outcome.error,
    outcome.attempts, outcome.next_attempt_at, outcome.conflict_owner_id, outcome.segments, outcome.segments_settled,
    outcome.dnc_reason, outcome.left_out, :now
from outcome
join alive on alive.id = outcome.customer_id
order by outcome.customer_id
on conflict (customer_id) do update set
    mautic_contact_id = excluded.mautic_contact_id,
    sync_hash = excluded.sync_hash,
    last_synced_at = coalesce(excluded.last_synced_at, status.last_synced_at),
    sync_error = excluded.sync_error,
    attempts = excluded.attempts,
    next_attempt_at = excluded.next_attempt_at,
    conflict_owner_id = excluded.conflict_owner_id,
    segments = excluded.segments,
    segments_settled = excluded.segments_settled,
    dnc_reason = excluded.dnc_reason,
    left_out = excluded.left_out,
    updated_at = excluded.updated_at
-- A webhook that reported the contact as deleted in the meantime knows better; it has noted the customer again.
where status.mautic_contact_id is not distinct from (
    select known_contact_id from outcome where outcome.customer_id = excluded.customer_id
);

-- name: contacts_clear_notes
-- Lines of the dirty list about customers for whom there is nothing to remember.
delete from mautic_dirty where seq = any (:notes::bigint[]);

-- name: contacts_mark_differing
-- The nightly full comparison, one page of customers in id order: who differs from what Mautic confirmed goes on the dirty list.
with page as materialized (
    select id from customer_profiles where id > :after order by id limit :size
),
differing as (
    insert into mautic_dirty (customer_id)
    select page.id
    from page
    -- `offset 0` keeps the planner to a look-up for each customer: joined freely, it reads whole tables for every page.
    cross join lateral (
        select * from mautic_sync_source where customer_id = page.id offset 0
    ) source
    left join lateral (
        select * from mautic_sync_status where customer_id = page.id offset 0
    ) status on true
    where status.sync_hash is distinct from :mapping_version || ':' || source.fingerprint
        and status.next_attempt_at is null
        and status.conflict_owner_id is null
        and (status.mautic_contact_id is not null or (source.address is not null and not source.do_not_contact))
    returning 1
)
select (select max(id::text)::uuid from page) as last_id, (select count(*) from page) as read, (select count(*) from differing) as marked;

-- name: contacts_spread_bulk_notes
-- What statements that changed many have noted, many to a line, goes onto the dirty list: a stretch of it, each customer once.
with stretch as (
    delete from mautic_dirty_bulk
    where seq in (select seq from mautic_dirty_bulk order by seq limit :lines)
    returning customer_ids
),
noted as (
    insert into mautic_dirty (customer_id)
    select distinct customer_id from stretch cross join lateral unnest(customer_ids) as noted (customer_id)
)
select count(*) as lines from stretch;

-- name: contacts_look_ahead
-- What this run would take away from Mautic (deleted customers, customers without any address), and how the last one ended.
select
    (select batch_size from mautic_sync_logs order by run_started_at desc limit 1) as batch_size,
    (select count(*) from (select from customer_profiles limit 1) any_customer) as customers,
    (select count(*) from mautic_removals) + (
        select count(distinct dirty.customer_id)
        from mautic_dirty dirty
        join mautic_sync_status status on status.customer_id = dirty.customer_id and status.mautic_contact_id is not null
        where not exists (select from customer_emails mail where mail.customer_id = dirty.customer_id)
    ) as vanishing;

-- name: contacts_known_contacts
-- How many contacts Mautic has of ours; counted only where something is about to vanish.
select count(*) as known from mautic_sync_status where mautic_contact_id is not null;

-- name: contacts_due_removals
-- Contacts of deleted customers, whose turn it is; one that another customer has taken over is not removed.
with taken_over as (
    delete from mautic_removals removal
    using mautic_sync_status status
    where status.mautic_contact_id = removal.mautic_contact_id
    returning removal.mautic_contact_id
)
select mautic_contact_id, attempts
from mautic_removals
where (next_attempt_at is null or next_attempt_at <= :now)
    and mautic_contact_id not in (select mautic_contact_id from taken_over)
order by requested_at, mautic_contact_id
limit :size;

-- name: contacts_record_removals
-- Done ones go; failed ones keep their reason and have another turn.
with outcome as (
    select * from jsonb_to_recordset(:outcomes) as outcome (contact_id integer, error text, next_attempt_at timestamptz)
),
done as (
    delete from mautic_removals where mautic_contact_id in (select contact_id from outcome where error is null)
)
update mautic_removals removal
set error = outcome.error, attempts = removal.attempts + 1, next_attempt_at = outcome.next_attempt_at
from outcome
where outcome.contact_id = removal.mautic_contact_id and outcome.error is not null;

-- name: contacts_log_run
-- One line a run, for the operator and for the next run's stop rule.
insert into mautic_sync_logs (
    run_started_at, run_finished_at, contacts_synced, contacts_created, contacts_updated, contacts_failed, segments_synced,
    error_details, batch_size
)
values (:started_at, :finished_at, :synced, :created, :updated, :failed, :segments, :details, :batch_size);

-- name: contacts_person_of
-- Who shares an address is one person: everybody who can be reached from there, with all by which they are known.
with recursive reached (customer_id) as (
    select unnest(:customer_ids::uuid[])
    union
    select customer_id from customer_emails where normalise_address(email) = :address::text
    union
    select other.customer_id
    from reached
    join customer_emails mine on mine.customer_id = reached.customer_id
    join customer_emails other on normalise_address(other.email) = normalise_address(mine.email)
),
people as materialized (
    -- Read no further than needed to see that these are too many to be one person.
    select customer_id from reached limit :at_most
)
select
    array(select customer_id from people order by 1) as customer_ids,
    array(
        select distinct normalise_address(mail.email)
        from customer_emails mail
        join people using (customer_id)
        where normalise_address(mail.email) is not null
    ) as addresses,
    array(select distinct phone_e164 from customer_phones join people using (customer_id)) as phones,
    array(
        select mautic_contact_id from mautic_sync_status join people using (customer_id) where mautic_contact_id is not null
        union
        select mautic_contact_id from mautic_former_contacts join people using (customer_id)
        union
        select mautic_contact_id from mautic_removals join people using (customer_id)
    ) as contact_ids;

-- name: contacts_count_person
-- How many rows of each table are the person's.
select
    (select count(*) from customer_profiles where id = any (:ids::uuid[]))::integer as customer_profiles,
    (select count(*) from customer_emails where customer_id = any (:ids::uuid[]))::integer as customer_emails,
    (select count(*) from customer_phones where customer_id = any (:ids::uuid[]))::integer as customer_phones,
    (select count(*) from customer_addresses where customer_id = any (:ids::uuid[]))::integer as customer_addresses,
    (select count(*) from customer_engagement_metrics where customer_id = any (:ids::uuid[]))::integer
        as customer_engagement_metrics,
    (select count(*) from customer_segment_links where customer_id = any (:ids::uuid[]))::integer as customer_segment_links,
    (select count(*) from mautic_sync_status where customer_id = any (:ids::uuid[]))::integer as mautic_sync_status,
    (select count(*) from mautic_former_contacts where customer_id = any (:ids::uuid[]))::integer as mautic_former_contacts;

-- name: contacts_forget_contacts
-- Deleted in Mautic: a run must not write to such an id again, and a repeated erasure must still know it.
with gone as materialized (
    select customer_id, mautic_contact_id
    from mautic_sync_status
    where customer_id = any (:ids::uuid[]) and mautic_contact_id is not null
    order by customer_id
    for update
),
forgotten as (
    update mautic_sync_status status
    set
        mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true, dnc_reason = null,
        next_attempt_at = null, updated_at = now()
    from gone
    where status.customer_id = gone.customer_id
)
insert into mautic_former_contacts (mautic_contact_id, customer_id)
select mautic_contact_id, customer_id
from gone
order by mautic_contact_id, customer_id
on conflict do nothing;

-- name: contacts_delete_customers
-- Everything that hangs on a customer goes along.
delete from customer_profiles where id = any (:ids::uuid[]);

-- name: contacts_delete_traces
-- What the deletion itself has noted about the customers, and the ids in the log of runs.
with removals as (
    delete from mautic_removals where customer_id = any (:ids::uuid[])
),
notes as (
    delete from mautic_dirty where customer_id = any (:ids::uuid[])
),
bulk_notes as (
    update mautic_dirty_bulk
    set customer_ids = array(select unnest(customer_ids) except select unnest(:ids::uuid[]))
    where customer_ids && :ids::uuid[]
)
update mautic_sync_logs
set error_details = (
    select jsonb_agg(detail order by place)
    from jsonb_array_elements(error_details) with ordinality as details (detail, place)
    where detail ->> 'customer_id' is null or detail ->> 'customer_id' <> all (:ids::uuid[]::text[])
)
where jsonb_typeof(error_details) = 'array'
    and exists (
        select from jsonb_array_elements(error_details) as detail where detail ->> 'customer_id' = any (:ids::uuid[]::text[])
    );

-- name: contacts_open_gap
-- Said before anything is done about it. The gap begins where a delivery last arrived; that the webhook was on proves nothing.
insert into mautic_webhook_watch as watch (gap_from, opens_after, clicks_after)
values (greatest(coalesce(:last_received::timestamptz - interval '1 hour', '-infinity'), :now::timestamptz - interval '30 days'), 0, 0)
on conflict (only_row) do update
set
    gap_from = coalesce(
        watch.gap_from,
        greatest(
            case
                when :last_received::timestamptz is null then '-infinity'
                -- A test delivery arrives from a webhook that is off, too.
                else least(watch.seen_on_at, :last_received::timestamptz) - interval '1 hour'
            end,
            :now::timestamptz - interval '30 days'
        )
    ),
    gap_to = null,
    contacts_read = false,
    opens_after = 0,
    clicks_after = 0;

-- name: contacts_see_hook_on
-- The webhook is on: a gap that was open ends here. Returns what is still to be read of it.
insert into mautic_webhook_watch as watch (seen_on_at)
values (:now)
on conflict (only_row) do update
set seen_on_at = :now, gap_to = case when watch.gap_from is not null then coalesce(watch.gap_to, :now) end
returning gap_from, gap_to, contacts_read, opens_after, clicks_after;

-- name: contacts_keep_gap
-- How far a gap was read.
update mautic_webhook_watch
set contacts_read = contacts_read or :contacts_read, opens_after = :opens_after, clicks_after = :clicks_after;

-- name: contacts_close_gap
-- All of it was read, or nothing more can be.
update mautic_webhook_watch
set gap_from = null, gap_to = null, contacts_read = false, opens_after = null, clicks_after = null;

-- name: delivery_queue_emails
-- The ledger has it before anything leaves; a key that it knows is the same mail and is left alone.
with queued as (
    insert into email_sends (
        id, org_id, send_key, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, contact_id, ab_variant,
        identity_id, batch_id, position, recipient_email, address, subject, topic, send_window, payload, links, status,
        unsubscribe_token, reply_token, queued_at
    )
    select
        mail.id, mail.org_id, mail.send_key, mail.entity_type, mail.entity_id, mail.enrollment_id, mail.campaign_id, mail.sequence_id,
        mail.contact_id, mail.ab_variant, mail.identity_id, mail.batch_id, mail.position, mail.recipient_email, mail.address,
        mail.subject, mail.topic, mail.send_window, mail.payload, mail.links, 'queued', mail.unsubscribe_token, mail.reply_token, :now
    from jsonb_to_recordset(:mails) as mail (
        id uuid, org_id uuid, send_key text, entity_type text, entity_id uuid, enrollment_id uuid, campaign_id uuid, sequence_id uuid,
        contact_id uuid, ab_variant text, identity_id uuid, batch_id uuid, position integer, recipient_email text, address text,
        subject text, topic text, send_window jsonb, payload jsonb, links integer, unsubscribe_token text, reply_token text
    )
    on conflict do nothing
    returning id, org_id, batch_id
),
batched as (
    insert into email_batches (id, org_id, purpose, not_before)
    select distinct batch_id, org_id, :purpose, cast(:now as timestamptz)
    from queued
)
select id from queued;

-- name: delivery_claim_batch
-- The batch that is ours for this transaction, and of each of its mails what the gate has to know at this moment.
with batch as materialized (
    select id, org_id, generation, attempts, first_attempt_at
    from email_batches
    where purpose = :purpose and state in ('queued', 'sending') and not_before <= :now
        and (claimed_until is null or claimed_until <= :now)
        and (cast(:batch_id as uuid) is null or id = :batch_id)
    order by not_before, created_at, id
    limit 1
    for update skip locked
),
mail as materialized (
    select
        id, org_id, position, status, address, topic, send_window, identity_id, resend_id, campaign_id, enrollment_id,
        sequence_id, entity_type
    from email_sends
    where batch_id = (select id from batch) and position is not null
    order by position
    for update
)
select
    batch.id as batch_id, batch.org_id, batch.generation, batch.attempts, batch.first_attempt_at,
    mail.id, mail.status, mail.address, mail.send_window, mail.identity_id, mail.enrollment_id, mail.sequence_id,
    (select suppressed_by from suppression(mail.org_id, 'email', mail.address)) as suppressed_by,
    exists (
        select
        from topic_opt_outs refused
        where refused.org_id = mail.org_id and refused.address = mail.address and refused.topic = mail.topic
    ) as is_topic_opt_out,
    identity.paused_at is not null as is_sender_paused,
    owner.status = 'paused' as is_campaign_paused,
    case
        -- With its contact, or with its whole campaign.
        when mail.entity_type = 'campaign_enrollment' and enrollment.id is null then 'gone'
        when enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
            then coalesce(enrollment.stopped_reason, enrollment.status)
        when person.deleted_at is not null then 'contact_deleted'
    end as ended_by,
    mail.resend_id is not null or exists (
        select from email_logs log where log.email_send_id = mail.id and log.event_type <> 'unsubscribed'
    ) as is_seen
from batch
left join mail on true
left join email_identities identity on identity.id = mail.identity_id
left join campaigns owner on owner.id = mail.campaign_id
left join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
left join contacts person on person.id = enrollment.contact_id
order by mail.position;

-- name: delivery_freeze_batch
-- From here on the bytes are these, whoever carries them on; what the gate kept back is recorded in the same statement.
with verdict as (
    select * from jsonb_to_recordset(:verdicts) as verdict (id uuid, status text, reason text, batch_id uuid)
),
held as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select hold.id, batch.org_id, batch.purpose, hold.not_before, hold.problem
    from jsonb_to_recordset(:holds) as hold (id uuid, not_before timestamptz, problem text)
    cross join email_batches batch
    where batch.id = :batch_id
),
marked as (
    update email_sends mail
    set
        status = verdict.status,
        reason = verdict.reason,
        batch_id = coalesce(verdict.batch_id, mail.batch_id),
        position = case when verdict.status in ('sending', 'queued') then mail.position end,
        payload = case when verdict.status in ('sending', 'queued') then mail.payload end,
        updated_at = now()
    from verdict
    where mail.id = verdict.id
),
beside as (
    update email_sends mail
    set position = null
    where mail.batch_id = :batch_id and mail.position is not null and mail.status <> 'queued'
),
frozen as (
    select '[' || string_agg(mail.payload::text, ',' order by mail.position) || ']' as bytes
    from email_sends mail
    join verdict on verdict.id = mail.id
    where verdict.status = 'sending'
)
update email_batches
set
    state = case when frozen.bytes is null then 'done' else 'sending' end,
    payload = frozen.bytes,
    attempts = case when frozen.bytes is null then 0 else 1 end,
    first_attempt_at = case when frozen.bytes is not null then cast(:now as timestamptz) end,
    claimed_until = case when frozen.bytes is not null then cast(:claimed_until as timestamptz) end,
    finished_at = case when frozen.bytes is null then cast(:now as timestamptz) end
from frozen
where email_batches.id = :batch_id
returning email_batches.payload;

-- name: delivery_repeat_batch
-- The same bytes once more, under the same key.
update email_batches
set attempts = attempts + 1, claimed_until = :claimed_until
where id = :batch_id
returning payload;

-- name: delivery_postpone_batch
-- It may have been sent: it waits as it is. Nothing where somebody else has carried it on since.
update email_batches
set not_before = :not_before, claimed_until = null, problem = :problem
where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation;

-- name: delivery_requeue_batch
-- Surely nothing of it was sent: everything may be decided anew, under a new key.
with batch as (
    update email_batches
    set
        state = 'queued', generation = generation + 1, attempts = 0, first_attempt_at = null, payload = null, claimed_until = null,
        not_before = :not_before, problem = :problem
    where id = :batch_id and state = 'sending' and attempts = :attempts and generation = :generation
    returning id
)
update email_sends mail
set status = 'queued', updated_at = now()
from batch
where mail.batch_id = batch.id and mail.status = 'sending';

-- name: delivery_split_batch
-- Surely nothing of it was sent, and something in it is the reason: its parts go on, each under a key of its own.
with batch as (
    update email_batches
    set state = 'done', payload = null, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending' and generation = :generation
    returning org_id, purpose
),
parts as (
    insert into email_batches (id, org_id, purpose, not_before, problem)
    select distinct part.batch_id, batch.org_id, batch.purpose, cast(:now as timestamptz), :problem
    from jsonb_to_recordset(:parts) as part (batch_id uuid)
    cross join batch
)
update email_sends mail
set batch_id = part.batch_id, status = 'queued', updated_at = now()
from jsonb_to_recordset(:parts) as part (id uuid, batch_id uuid)
cross join batch
where mail.id = part.id and mail.status = 'sending';

-- name: delivery_accept_batch
-- In one call: whose ids these are, and what was told of them before anybody knew them.
select accept_email_batch(:batch_id, :results, :now) as is_ours;

-- name: delivery_park_batch
-- It may have been sent, and the provider no longer knows its key: never again. Of each mail whether it was seen since.
with batch as (
    update email_batches
    set state = 'unknown', payload = null, claimed_until = null, finished_at = :now, problem = :problem
    where id = :batch_id and state = 'sending'
    returning id
)
update email_sends mail
set
    status = case when mail.status = 'sending' then 'unknown' else mail.status end,
    reason = case when mail.status = 'sending' then :problem else mail.reason end,
    payload = null,
    updated_at = now()
from batch
where mail.batch_id = batch.id and mail.position is not null
returning mail.id, mail.status;

-- name: delivery_apply_mail_event
-- Log, state and consent of one event in one call.
select result from apply_mail_event(:event);

-- name: delivery_keep_inbound_mail
-- A reply, or any other mail that came in; once.
select keep_inbound_mail(:event) as is_new;

-- name: delivery_leave_topics
-- No more of these; an opt-out from a topic is never taken back by itself. Who was erased stays away without a row.
insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
select default_org_id(), :address, topic, :source, :at
from unnest(cast(:topics as text[])) as topic
where not is_erased(null, 'email', :address)
on conflict do nothing
returning topic;

-- name: delivery_headers_to_read
-- Replies whose headers are not known yet; who was asked for in vain waits behind the others.
select id, external_id
from inbox_items
where source = 'resend' and headers_read_at is null and received_at > :since
order by updated_at, received_at
limit :at_most;

-- name: delivery_asked_in_vain
-- Next time the others come first.
update inbox_items
set updated_at = now()
where id = any (cast(:ids as uuid[])) and headers_read_at is null;

-- name: delivery_keep_headers
-- What tells a reply to which mail, and an automatic answer from a person's.
update inbox_items item
set
    in_reply_to = read.in_reply_to,
    reference_ids = coalesce(read.reference_ids, '{}'),
    thread_id = coalesce(read.thread_id, item.thread_id),
    is_auto_reply = read.is_auto_reply,
    headers_read_at = :now,
    updated_at = now()
from jsonb_to_recordset(:read) as read (id uuid, in_reply_to text, reference_ids text[], thread_id text, is_auto_reply boolean)
where item.id = read.id;

-- name: delivery_give_up_headers
-- After a day they count as read: whoever wrote is still known by the address that was written to.
update inbox_items
set headers_read_at = :now, updated_at = now()
where source = 'resend' and headers_read_at is null and received_at <= :since
returning id;

-- name: delivery_sender_weeks
-- How a sender's mail of the last days fared, from its last resumption on.
select
    identity.id,
    count(mail.id)::integer as sent,
    count(mail.id) filter (where mail.bounce_type = 'permanent')::integer as permanent_bounces,
    count(mail.id) filter (where mail.complained_at is not null)::integer as complaints,
    exists (
        select
        from incidents trouble
        where trouble.kind = 'sender_refused' and trouble.subject = identity.id::text and trouble.closed_at is null
            and trouble.opened_at < max(mail.sent_at)
    ) as was_taken_again
from email_identities identity
left join email_sends mail
    on mail.identity_id = identity.id and mail.sent_at > greatest(:since, identity.resumed_at)
where identity.paused_at is null
group by identity.id;

-- name: delivery_batches_cleared_up
-- Batches that were told of as unclear, of which events have shown since what became of every mail.
select trouble.subject
from incidents trouble
where trouble.kind = 'email_unknown' and trouble.closed_at is null
    and not exists (
        select from email_sends mail where mail.batch_id = try_uuid(trouble.subject) and mail.status = 'unknown'
    );

-- name: delivery_pause_senders
-- Nothing more leaves in these names.
update email_identities identity
set paused_at = :now, paused_reason = problem.reason, updated_at = now()
from jsonb_to_recordset(:problems) as problem (id uuid, reason text)
where identity.id = problem.id and identity.paused_at is null;

-- name: delivery_resume_sender
-- By an operator alone; what was held is looked at again within a quarter of an hour.
update email_identities
set paused_at = null, paused_reason = null, resumed_at = :now, updated_at = now()
where id = :id
returning id;

-- name: delivery_reader_of
-- What the page behind a link has to say; the address itself stays here.
select
    mail.topic, organization.name as organization,
    left(mail.address, 1) as first_letter, substring(mail.address from '@(.)') as domain_letter,
    substring(mail.address from '(\.[^.@]+)$') as ending,
    (select suppressed_by from suppression(mail.org_id, 'email', mail.address)) is not null or mail.address is null as is_out,
    exists (
        select
        from topic_opt_outs refused
        where refused.org_id = mail.org_id and refused.address = mail.address and refused.topic = mail.topic
    ) as is_out_of_topic
from email_sends mail
left join organizations organization on organization.id = mail.org_id
where mail.unsubscribe_token = :token;

-- name: delivery_unsubscribe_reader
-- Into the ledger and onto the mail, in one call.
select org_id, address, topic from unsubscribe_reader(:token, :only_topic, :at);

-- name: delivery_refuse_waiting
-- Whatever is still here of what somebody does not want, whoever queued it.
update email_sends
set
    status = 'refused', reason = case when cast(:topic as text) is null then 'opt_out' else 'topic_opt_out' end, payload = null,
    position = null, updated_at = now()
where address = :address and org_id = :org_id and status = 'queued' and (cast(:topic as text) is null or topic = :topic);

-- name: delivery_erase_mail
-- The mails stay, for everything that is counted; whom they went to and what was in them does not.
with theirs as materialized (
    select
        mail.id, mail.status,
        mail.position is not null and exists (
            select from email_batches batch where batch.id = mail.batch_id and batch.state = 'sending'
        ) as is_on_its_way
    from email_sends mail
    where mail.address = any (:addresses::text[])
),
mails as (
    update email_sends mail
    set
        recipient_email = null, address = null, subject = null, payload = null, message_id = null, error_message = null,
        status = case mail.status when 'queued' then 'refused' else mail.status end,
        reason = case mail.status when 'queued' then 'erased' else mail.reason end,
        position = case mail.status when 'queued' then null else mail.position end,
        updated_at = :now
    from theirs
    where mail.id = theirs.id and not theirs.is_on_its_way
    returning mail.id
),
logs as (
    -- Of what happened the kind and the time stay, so that what was counted can be counted again.
    update email_logs log
    set event_data = log.event_data - array['link', 'user_agent', 'reason', 'message_id']
    where log.email_send_id in (select id from theirs where not is_on_its_way)
        and log.event_data ?| array['link', 'user_agent', 'reason', 'message_id']
    returning log.id
),
topics as (
    delete from topic_opt_outs where address = any (:addresses::text[]) returning topic
)
select
    (select count(*) from mails)::integer as email_sends,
    (select count(*) from logs)::integer as email_logs,
    (select count(*) from topics)::integer as topic_opt_outs,
    (select count(*) from theirs where is_on_its_way)::integer as on_its_way;

-- name: delivery_count_mail
-- What erase_mail would change.
select
    (select count(*) from email_sends where address = any (:addresses::text[]))::integer as email_sends,
    (
        select count(*)
        from email_logs log
        join email_sends mail on mail.id = log.email_send_id
        where mail.address = any (:addresses::text[])
            and log.event_data ?| array['link', 'user_agent', 'reason', 'message_id']
    )::integer as email_logs,
    (select count(*) from topic_opt_outs where address = any (:addresses::text[]))::integer as topic_opt_outs;

-- name: delivery_mails_of
-- What became of the newest mails to somebody, and why.
select
    mail.id, mail.campaign_id, campaign.name as campaign, mail.topic, mail.status, mail.reason, mail.queued_at, mail.sent_at,
    mail.delivered_at, mail.opened_at, mail.opened_count, mail.human_opens, mail.clicked_at, mail.clicked_count, mail.human_clicks,
    mail.bounced_at, mail.bounce_type, mail.complained_at, mail.unsubscribed_at, batch.problem as batch_problem,
    case when mail.status in ('queued', 'sending') then batch.not_before end as not_before
from email_sends mail
left join email_batches batch on batch.id = mail.batch_id
left join campaigns campaign on campaign.id = mail.campaign_id
where mail.address = any (:addresses::text[])
order by mail.queued_at desc, mail.id
limit :at_most;

-- name: delivery_topics_left
-- What somebody wants no more of, in every organization.
select org_id, topic, source, occurred_at
from topic_opt_outs
where address = any (:addresses::text[])
order by occurred_at, topic;

-- name: edge_cache_begin_run
-- The run's line in the audit trail, before anything else.
insert into sync_log (direction, entity, ordered_by, started_at)
values (:direction, :entity, :ordered_by, :now)
returning id;

-- name: edge_cache_finish_run
-- What the run did; the counts are those of confirmed writes.
update sync_log
set
    finished_at = :now, status = :status, error = :error, read_count = :read, written_count = :written,
    unchanged_count = :unchanged, deleted_count = :deleted, parked_count = :parked, conflict_count = :conflicts,
    pending_count = :pending
where id = :id;

-- name: edge_cache_pending_changes
-- How much waits for each entity, and how many rows are really gone; nothing of an entity that has no change.
select
    entity, count(distinct id)::integer as waiting,
    (
        count(distinct id) filter (
            where is_deleted and not exists (
                select from edge_source source where source.entity = change.entity and source.id = change.id offset 0
            )
        )
    )::integer as deletions
from edge_changes change
group by entity;

-- name: edge_cache_count_source
-- Exact, and only asked where deletions wait.
select count(*)::bigint as rows from edge_source where entity = :entity;

-- name: edge_cache_note_count
-- What the next deletion is held against.
update edge_entities
set known_rows = :rows, counted_at = :now, blocked_at = case when :blocked then coalesce(blocked_at, :now) end
where entity = :entity;

-- name: edge_cache_entities
-- How large each entity was, and whether deletions of it are held back: by the shrink rule, or by a resync that it stopped.
select
    entity, known_rows, counted_at, blocked_at, coalesce(shrink_allowed_until > :now, false) as shrink_allowed,
    coalesce(
        (
            select resync.phase = 'stopped'
            from edge_resyncs resync
            where resync.entity = edge_entities.entity and resync.finished_at is not null
            order by resync.id desc
            limit 1
        ), false
    ) as resync_stopped
from edge_entities
order by entity;

-- name: edge_cache_allow_shrink
-- The operator's word that the rows were really meant to go.
update edge_entities set shrink_allowed_until = :until where entity = any (:entities::text[]);

-- name: edge_cache_changed_rows
-- A page of changes, each row once and as it is now; one that is gone gets a version of its own, newer than every write of it.
-- Where deletions are held back, what is gone waits and leaves the page to the others. Laterals, and `offset 0`: joined
-- freely, the planner would write out every row of the view.
with noted as materialized (
    select seq, entity, id
    from edge_changes change
    where (cast(:entities as text[]) is null or entity = any (:entities::text[]))
        and (
            not entity = any (:blocked::text[])
            or exists (select from edge_source source where source.entity = change.entity and source.id = change.id offset 0)
        )
    order by seq
    limit :at_most
),
due as materialized (
    select entity, id
    from edge_parked parked
    where direction = 'to_cache' and retry_at <= :now
        and (cast(:entities as text[]) is null or entity = any (:entities::text[]))
        and (
            not entity = any (:blocked::text[])
            or exists (select from edge_source source where source.entity = parked.entity and source.id = parked.id offset 0)
        )
    order by retry_at
    limit :at_most
),
wanted as (
    select entity, id, array_remove(array_agg(seq), null) as seqs
    from (select seq, entity, id from noted union all select null, entity, id from due) each
    group by entity, id
)
select
    wanted.entity, wanted.id, wanted.seqs, coalesce(source.version, nextval('edge_versions')) as version,
    coalesce(source.updated_at, :now) as updated_at, source.doc
from wanted
left join lateral (
    select version, updated_at, doc from edge_source where entity = wanted.entity and id = wanted.id offset 0
) source on true;

-- name: edge_cache_confirm
-- Only what the edge has confirmed leaves the list; what failed is parked with its reason, and tried again as it is by then.
with result as materialized (
    select * from jsonb_to_recordset(:results) as result (entity text, id uuid, outcome text, reason text)
),
parked as (
    insert into edge_parked as known (direction, entity, id, reason, retry_at)
    select
        'to_cache', entity, id, reason,
        case outcome when 'too_large' then null else cast(:now as timestamptz) + interval '1 minute' end
    from result
    where outcome in ('failed', 'edited', 'too_large')
    on conflict (direction, entity, id) do update set
        reason = excluded.reason,
        attempts = known.attempts + 1,
        retry_at = case
            when excluded.retry_at is not null
                then cast(:now as timestamptz) + least(interval '1 minute' * power(2, known.attempts), interval '1 hour')
        end
),
unparked as (
    delete from edge_parked known
    using result
    where known.direction = 'to_cache' and known.entity = result.entity and known.id = result.id
        and result.outcome in ('done', 'unchanged')
)
delete from edge_changes where seq = any (:seqs::bigint[]);

-- name: edge_cache_source_rows
-- Rows by number, as they are now; those that do not exist are left out.
select source.entity, source.id, source.version, source.updated_at, source.doc, source.edge_base
from jsonb_to_recordset(:wanted) as wanted (entity text, id uuid)
cross join lateral (
    select entity, id, version, updated_at, doc, edge_base
    from edge_source
    where entity = wanted.entity and id = wanted.id
    offset 0
) source;

-- name: edge_cache_agreed_rows
-- The same for what is agreed on, and not parked any longer: one that is gone gets a version newer than every write of it.
with wanted as materialized (
    select entity, id from jsonb_to_recordset(:wanted) as wanted (entity text, id uuid)
),
unparked as (
    delete from edge_parked known
    using wanted
    where known.direction = 'to_postgres' and known.entity = wanted.entity and known.id = wanted.id
)
select
    wanted.entity, wanted.id, coalesce(source.version, nextval('edge_versions')) as version,
    coalesce(source.updated_at, :now) as updated_at, source.doc
from wanted
left join lateral (
    select version, updated_at, doc from edge_source where entity = wanted.entity and id = wanted.id offset 0
) source on true;

-- name: edge_cache_deleted_emails
-- Which of these were deleted in PostgreSQL; the others it never had, or has lost.
select id from edge_deleted_emails where id = any (:ids::uuid[]);

-- name: edge_cache_raise_versions
-- Beyond what the edge has seen: after a restore from a backup nothing that is written would be taken there.
select setval('edge_versions', :seen) as version
where :seen > (select last_value from edge_versions);

-- name: edge_cache_lift
-- New versions for rows of which the edge has a later one; that they changed is noted, also of those that are gone.
with touched as materialized (select id from edge_touch(:entity, :ids::uuid[]))
insert into edge_changes (entity, id, version, is_deleted)
select :entity, gone.id, nextval('edge_versions'), true
from unnest(:ids::uuid[]) as gone (id)
where not gone.id in (select id from touched);

-- name: edge_cache_source_page
-- The next rows of an entity by number, for a full resync.
select id, version, updated_at, doc
from edge_source
where entity = :entity and (cast(:after as uuid) is null or id > :after)
order by id
limit :at_most;

-- name: edge_cache_write_emails
-- What the edge won: new e-mails, and changes of those that are still what they were when it was decided.
with given as materialized (
    select given.seen_version, given.base, (jsonb_populate_record(null::emails, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, base bigint, doc jsonb)
),
quiet as materialized (
    -- Until the end of this transaction: what came from the edge is not sent back to it.
    select set_config('app.edge_sync', 'on', true) as setting
),
held as materialized (
    -- One that is deleted meanwhile is not made anew.
    select emails.id from emails where emails.id in (select given.id from given) order by emails.id for update
),
written as (
    insert into emails as known (
        id, prospect_id, campaign_id, subject, body, to_email, from_email, message_id, direction, status, sent_at, opened_at,
        clicked_at, replied_at, bounced_at, created_at, updated_at, edge_base
    )
    -- Of a mail to or from somebody who was erased it is kept that there was one, and nothing else.
    select
        given.id, case when not is_gone then prospect_id end, campaign_id, case when not is_gone then subject end,
        case when not is_gone then body end, case when not is_gone then to_email end, case when not is_gone then from_email end,
        case when not is_gone then message_id end, coalesce(direction, 'outbound'),
        status, sent_at, opened_at, clicked_at, replied_at, bounced_at, coalesce(created_at, updated_at, now()),
        coalesce(updated_at, now()), given.base
    from given
    cross join quiet
    cross join lateral (
        select
            is_erased(null, 'email', normalise_address(to_email)) or is_erased(null, 'email', normalise_address(from_email)) as is_gone
        offset 0
    ) erasure
    where given.seen_version = 0 or given.id in (select held.id from held)
    order by given.id
    on conflict (id) do update set
        prospect_id = excluded.prospect_id, campaign_id = excluded.campaign_id, subject = excluded.subject,
        body = excluded.body, to_email = excluded.to_email, from_email = excluded.from_email,
        message_id = excluded.message_id, direction = excluded.direction, status = excluded.status,
        sent_at = excluded.sent_at, opened_at = excluded.opened_at, clicked_at = excluded.clicked_at,
        replied_at = excluded.replied_at, bounced_at = excluded.bounced_at, updated_at = excluded.updated_at,
        edge_base = excluded.edge_base
        where coalesce(known.sync_version, 1) = (select seen_version from given where given.id = excluded.id)
    returning known.id
)
select id from written;

-- name: edge_cache_write_prospects
-- An edit at the edge that was later than PostgreSQL's own; quietly, as with e-mails: the item becomes the row that is agreed on.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update prospects known
set
    name = given.name, city = given.city, country = given.country, contact_name = given.contact_name,
    contact_email = given.contact_email, contact_title = given.contact_title, phone = given.phone, website = given.website,
    linkedin_url = given.linkedin_url, stage = given.stage, tier = given.tier, score = given.score,
    lead_source = given.lead_source, email_bounced = given.email_bounced, archived = given.archived,
    updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::prospects, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: edge_cache_write_campaigns
-- The same for edits of this copy.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update campaigns known
set
    name = given.name, description = given.description, status = given.status, source = given.source,
    send_window_start = given.send_window_start, send_window_end = given.send_window_end, send_days = given.send_days,
    timezone = given.timezone, updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::campaigns, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: edge_cache_write_mailboxes
-- The same for edits of this copy.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update mailboxes known
set
    email = given.email, name = given.name, provider = given.provider, status = given.status, daily_limit = given.daily_limit,
    updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::mailboxes, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: edge_cache_log_conflicts
-- Both versions as they were; the one that lost can be brought back from here.
insert into edge_conflicts
    (entity, row_id, postgres_doc, edge_doc, postgres_at, edge_at, edge_edits, differing, winner, rule, decided_at)
select entity, row_id, postgres_doc, edge_doc, postgres_at, edge_at, edge_edits, differing, winner, rule, :now
from jsonb_to_recordset(:conflicts) as conflict (
    entity text, row_id uuid, postgres_doc jsonb, edge_doc jsonb, postgres_at timestamptz, edge_at timestamptz,
    edge_edits integer, differing text[], winner text, rule text
)
on conflict (entity, row_id, edge_edits, edge_at) do nothing;

-- name: edge_cache_conflicts
-- The latest first, open ones or all.
select id, entity, row_id, differing, winner, rule, decided_at, reverted_at, reverted_by
from edge_conflicts
where not :open_only or reverted_at is null
order by id desc
limit :at_most;

-- name: edge_cache_conflict
-- One of them with both versions.
select id, entity, row_id, postgres_doc::text as postgres_doc, edge_doc::text as edge_doc, winner, reverted_at
from edge_conflicts
where id = :id;

-- name: edge_cache_mark_reverted
-- Once; who did it stands with it.
update edge_conflicts set reverted_at = :now, reverted_by = :who where id = :id and reverted_at is null returning id;

-- name: edge_cache_draw_versions
-- For rows that are gone: newer than whatever was written of them.
select nextval('edge_versions') as version from generate_series(1, :number);

-- name: edge_cache_park_edits
-- Edits that cannot be rows: out of the way of the others, with the reason.
insert into edge_parked as known (direction, entity, id, reason)
select 'to_postgres', entity, id, reason
from jsonb_to_recordset(:edits) as edit (entity text, id uuid, reason text)
on conflict (direction, entity, id) do update set
    reason = excluded.reason, attempts = known.attempts + 1, parked_at = now();

-- name: edge_cache_note_change
-- A row that is brought back by hand has to reach the edge too, whichever way it was written.
insert into edge_changes (entity, id, version)
values (:entity, :id, nextval('edge_versions'));

-- name: edge_cache_running_resync
-- The one that is not finished; at most one an entity.
select id, entity, generation, clears, phase, after_id, next_bucket, total, written, doomed, swept, ordered_by, started_at
from edge_resyncs
where finished_at is null and (cast(:entity as text) is null or entity = :entity)
order by id;

-- name: edge_cache_start_resync
-- Nothing where one runs already.
insert into edge_resyncs (entity, generation, clears, total, ordered_by, started_at, updated_at)
select :entity, coalesce(max(generation), 0) + 1, :clears, :total, :ordered_by, :now, :now
from edge_resyncs
where entity = :entity
on conflict (entity) where finished_at is null do nothing;

-- name: edge_cache_save_resync
-- How far it is; a run that is cut off goes on from here.
update edge_resyncs
set
    phase = :phase, after_id = :after_id, next_bucket = :next_bucket, written = :written, doomed = :doomed, swept = :swept,
    updated_at = :now, error = :error,
    finished_at = case when :phase in ('done', 'stopped') then cast(:now as timestamptz) end
where id = :id;

-- name: edge_cache_never_synced
-- Entities that no resync has filled yet: their rows were there before anything noted changes.
select entity
from edge_entities
where not exists (select from edge_resyncs where edge_resyncs.entity = edge_entities.entity)
order by entity;

-- name: edge_cache_last_runs
-- The latest run and the latest success of each direction.
select
    direction,
    max(finished_at) filter (where status = 'success') as last_success_at,
    (array_agg(status order by id desc))[1] as last_status,
    (array_agg(error order by id desc))[1] as last_error,
    (array_agg(written_count order by id desc))[1] as last_written,
    sum(written_count + deleted_count) filter (where started_at > cast(:now as timestamptz) - interval '24 hours')::integer as written_24h,
    count(*) filter (where status = 'failed' and started_at > cast(:now as timestamptz) - interval '24 hours')::integer as failures_24h
from (select * from sync_log where started_at > cast(:now as timestamptz) - interval '7 days') recent
group by direction
order by direction;

-- name: edge_cache_backlog
-- What waits to be written to the edge, since when, and what is parked.
select
    (select count(*) from edge_changes)::integer as pending,
    (select min(noted_at) from edge_changes) as oldest,
    (select count(*) from edge_parked where direction = 'to_cache')::integer as parked_to_cache,
    (select count(*) from edge_parked where direction = 'to_postgres')::integer as parked_to_postgres,
    (select count(*) from edge_conflicts where reverted_at is null and decided_at > cast(:now as timestamptz) - interval '24 hours')::integer
        as conflicts_24h;

-- name: edge_cache_recent_runs
-- The audit trail, newest first.
select
    id, direction, entity, ordered_by, started_at, finished_at, read_count, written_count, unchanged_count, deleted_count,
    parked_count, conflict_count, pending_count, status, error
from sync_log
order by id desc
limit :at_most;

-- name: edge_cache_erase_conflicts
-- Versions that name somebody who is erased go; such a conflict cannot be reverted any more.
update edge_conflicts
set postgres_doc = null, edge_doc = null
where exists (
    select
    from unnest(:marks::text[]) as mark
    where position(lower(mark) in lower(concat(postgres_doc::text, edge_doc::text))) > 0
)
returning id;

-- name: edge_cache_count_conflicts
-- What erase_conflicts would empty.
select count(*)::integer as conflicts
from edge_conflicts
where exists (
    select
    from unnest(:marks::text[]) as mark
    where position(lower(mark) in lower(concat(postgres_doc::text, edge_doc::text))) > 0
);

-- name: engagement_apply_events
-- A whole delivery with all that it means for the customers: the steps are functions in migrations/…_engagement_apply.sql.
select * from apply_mautic_events(:events, :max_bounces);

-- name: engagement_match_waiting
-- Events whose customer has become known; they take effect as if they had come now.
select match_waiting_mautic_events(:at_most, :max_bounces) as matched;

-- name: engagement_erase_engagement
-- The person's events, and those that waited for somebody with that address or that contact.
delete from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    )
returning event_type;

-- name: engagement_count_engagement
-- What erase_engagement would delete.
select count(*)::integer as events
from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (
            address = any (:addresses::text[])
            or (address is null and mautic_contact_id = any (:contact_ids::integer[]))
        )
    );

-- name: engagement_latest_engagement
-- The person's newest events, and apart from them those that wait for a customer under such an address or contact.
with mine as materialized (
    select id, customer_id, event_type, occurred_at, campaign_name, mautic_contact_id, address, is_machine, verdict
    from customer_email_engagement
    where customer_id = any (:customer_ids::uuid[])
    union all
    select id, customer_id, event_type, occurred_at, campaign_name, mautic_contact_id, address, is_machine, verdict
    from customer_email_engagement
    where customer_id is null
        and (address = any (:addresses::text[]) or mautic_contact_id = any (:contact_ids::integer[]))
),
placed as (
    select *, row_number() over (partition by customer_id is null order by occurred_at desc, id) as place from mine
)
select
    customer_id is null as is_waiting, event_type as kind, occurred_at, campaign_name, is_machine, verdict, address,
    mautic_contact_id, customer_id
from placed
where place <= :at_most
order by occurred_at desc, id;

-- name: engagement_engagement_counts
-- All of them by kind, beside the few that are told one by one.
select
    customer_id is null as is_waiting,
    event_type as kind,
    count(*)::integer as events,
    count(*) filter (where is_machine)::integer as by_machines,
    max(occurred_at) as last_at
from customer_email_engagement
where customer_id = any (:customer_ids::uuid[])
    or (
        customer_id is null
        and (address = any (:addresses::text[]) or mautic_contact_id = any (:contact_ids::integer[]))
    )
group by 1, 2
order by 1, 2;

-- name: engagement_bounces_of
-- What counted bounces have made of each address.
select customer_id, coalesce(normalise_address(email), email) as address, bounce_count, is_valid is not false as is_valid
from customer_emails
where customer_id = any (:customer_ids::uuid[])
order by customer_id, is_primary is true desc, first_seen_at, id;

-- name: inbox_keep_delivery
-- Raw and once. It counts as applied at once, because its effects commit with it or not at all; no row: it was before.
insert into webhook_inbox (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
values (:source, :workspace_name, :dedupe_key, :headers, :body, :received_at, clock_timestamp(), 1)
on conflict (source, dedupe_key) do update
    set applied_at = excluded.applied_at, attempts = webhook_inbox.attempts + 1, error = null
    where webhook_inbox.applied_at is null
returning id, erased_among(:marks::text[]) as erased;

-- name: inbox_set_aside
-- Refused for a reason that may be gone one day: it stands with what waits.
update webhook_inbox set applied_at = null, error = :reason where source = :source and dedupe_key = :dedupe_key;

-- name: inbox_keep_failed_task
-- A message that the deferred queue gave up; one that failed again after a replay is open again.
insert into failed_tasks (source, task_key, payload, error)
values (:source, :task_key, :payload, :error)
on conflict (source, task_key) do update
    set payload = excluded.payload, failed_at = now(), replayed_at = null, error = excluded.error;

-- name: inbox_list_deferred
-- What came in and has had no effect yet, without its content.
select 'inbox' as kept_in, id, source, received_at as since, attempts, error
from webhook_inbox
where applied_at is null
union all
select 'failed_tasks', id, source, failed_at, null, error
from failed_tasks
where replayed_at is null
order by since, id
limit :at_most;

-- name: inbox_unapplied_deliveries
-- To be sent to the deferred queue again, a page at a time.
select id, source, workspace_name, headers, body, object_key, dedupe_key, received_at
from webhook_inbox
where applied_at is null and id > :after
order by id
limit :at_most;

-- name: inbox_open_failed_tasks
-- To be sent to the deferred queue again, a page at a time.
select id, payload
from failed_tasks
where replayed_at is null and id > :after
order by id
limit :at_most;

-- name: inbox_mark_replayed
-- Only what the queue has accepted.
update failed_tasks set replayed_at = now() where id = any (cast(:ids as bigint[]));

-- name: inbox_delivery_mentioning
-- Whether what somebody has just sent as a test came in: its text is found in no other delivery.
select received_at
from webhook_inbox
where source = :source and received_at >= :since and position(cast(:text as text) in body) > 0
order by received_at
limit 1;

-- name: inbox_suspect_deliveries
-- A stretch of the inbox at a time, so that no statement is long; lower() costs less than a pattern without case.
with stretch as materialized (
    select id from webhook_inbox where id > :after order by id limit :window
),
suspect as materialized (
    select id, workspace_name, body
    from webhook_inbox
    where id > :after and id <= (select max(id) from stretch) and lower(body) like any (:needles::text[])
    order by id
    limit :at_most
)
select
    case when (select count(*) from suspect) = :at_most then (select max(id) from suspect) else (select max(id) from stretch) end
        as last_id,
    suspect.id,
    suspect.workspace_name,
    suspect.body
from (select) as one_row_at_least
left join suspect on true
order by suspect.id;

-- name: inbox_latest_suspects
-- The newest stretch alone, so that a question is answered at once; it says how far it looked.
with stretch as materialized (
    select id, received_at from webhook_inbox order by id desc limit :window
),
suspect as materialized (
    select id, source, received_at, applied_at, attempts, error, redacted_at, body
    from webhook_inbox
    cross join lateral (select lower(body) as written offset 0) lowered
    where id >= (select min(id) from stretch)
        -- On large bodies several times as quick as patterns are.
        and exists (select from unnest(:needles::text[]) as needle where position(needle in written) > 0)
    order by id desc
    limit :at_most
),
reach as (
    -- Full of suspects, it looked no further back than the last one of them.
    select case when (select count(*) from suspect) = :at_most then (select min(id) from suspect) else min(id) end as first_id
    from stretch
)
select
    (select count(*) from stretch where id >= first_id)::integer as looked_at,
    (select min(received_at) from stretch where id >= first_id) as since,
    exists (select from webhook_inbox where id < first_id) as has_older,
    suspect.*
from reach
left join suspect on true
order by suspect.id desc;

-- name: inbox_latest_failed_tasks
-- Whom a message is about stands in base64 within base64: each has to be taken out to be looked into.
select id, source, failed_at, replayed_at, error, redacted_at, payload, (select count(*) from failed_tasks)::integer as kept
from failed_tasks
order by id desc
limit :at_most;

-- name: inbox_redact_deliveries
-- One that waits gets its new identity, or is done with where nothing is left of it to apply.
update webhook_inbox delivery
set
    body = change.body,
    redacted_at = clock_timestamp(),
    dedupe_key = case when delivery.applied_at is null and not change.is_empty then change.dedupe_key else delivery.dedupe_key end,
    applied_at = case when change.is_empty then coalesce(delivery.applied_at, clock_timestamp()) else delivery.applied_at end
from jsonb_to_recordset(:changes) as change (id bigint, body text, dedupe_key text, is_empty boolean)
where delivery.id = change.id;

-- name: inbox_failed_tasks
-- Everything that was given up, open or not, for whoever has to look into each of them.
select id, payload from failed_tasks where id > :after order by id limit :at_most;

-- name: inbox_redact_failed_tasks
-- The message as it is without the person; its name stays, so that it is not kept a second time.
update failed_tasks task
set payload = change.payload, redacted_at = clock_timestamp()
from jsonb_to_recordset(:changes) as change (id bigint, payload text)
where task.id = change.id;

-- name: inbox_erased_among
-- Whether a text that is about to be stored speaks of somebody who was erased.
select erased_among(:marks::text[]) as erased;

-- name: inbox_old_deliveries
-- What was applied and is past its time, oldest first; a large body may still lie in the bucket as well.
select
    id,
    case when octet_length(body) > :larger_than then source end as source,
    case when octet_length(body) > :larger_than then dedupe_key end as dedupe_key,
    object_key
from webhook_inbox
where applied_at is not null and received_at < :before
order by received_at
limit :at_most;

-- name: inbox_delete_deliveries
-- Past their time. One that was opened again in the meantime stays.
delete from webhook_inbox where id = any (:ids::bigint[]) and applied_at is not null;

-- name: inbox_last_received
-- When a delivery of this source last arrived, as far as the inbox goes back.
select max(received_at) as last_received from webhook_inbox where source = :source;

-- name: incidents_open_incidents
-- The index decides who opens a subject; what closed but was not told as over continues, and only it is changed.
with given as (
    select distinct on (kind, subject) kind, subject, workspace_name, title, details
    from jsonb_to_recordset(:incidents) as incident (
        kind text, subject text, workspace_name text, title text, details jsonb
    )
    order by kind, subject
),
opened as (
    insert into incidents as known (kind, subject, workspace_name, title, details, opened_at)
    select kind, subject, workspace_name, title, details, cast(:now as timestamptz)
    from given
    -- All statements here lock in this order, so that no two wait for each other.
    order by kind, subject
    on conflict (kind, subject) where told_closed_at is null do update
    set
        closed_at = null,
        workspace_name = excluded.workspace_name,
        title = excluded.title,
        details = excluded.details,
        -- Where the recovery may have been heard, the opening is news again.
        told_open_at = case when known.claimed_until is null and known.taken_by = '{}' then known.told_open_at end,
        taken_by = case when known.told_open_at is null then known.taken_by else '{}' end
    where known.closed_at is not null
    returning known.id
)
select count(*)::integer as opened from opened;

-- name: incidents_close_incidents
-- Whatever of these is open; when it is told as over is for the teller to know.
with locked as (
    select id
    from incidents
    where kind = :kind and subject = any (cast(:subjects as text[])) and closed_at is null and told_closed_at is null
    order by subject
    for update
),
closed as (
    update incidents known
    set closed_at = cast(:now as timestamptz)
    from locked
    where known.id = locked.id and known.closed_at is null
    returning known.id
)
select count(*)::integer as closed from closed;

-- name: incidents_keep_open
-- Makes the open ones of a kind, in one workspace or in all, exactly those that are given.
with given as (
    select distinct on (subject) subject, workspace_name, title, details
    from jsonb_to_recordset(:incidents) as incident (subject text, workspace_name text, title text, details jsonb)
    order by subject
),
wanted as (
    select subject, workspace_name, title, details, cast(:now as timestamptz) as opened_at, cast(null as timestamptz) as closed_at
    from given
    union all
    select subject, workspace_name, title, details, opened_at, cast(:now as timestamptz)
    from incidents
    where kind = :kind and closed_at is null and told_closed_at is null
        and (cast(:scope as text) is null or workspace_name = cast(:scope as text))
        and subject not in (select subject from given)
),
-- One pass in the order of open_incidents for what opens and what closes: in two passes, two of these could deadlock.
changed as (
    insert into incidents as known (kind, subject, workspace_name, title, details, opened_at, closed_at)
    select cast(:kind as text), subject, workspace_name, title, details, opened_at, closed_at
    from wanted
    order by subject
    on conflict (kind, subject) where told_closed_at is null do update
    set
        closed_at = excluded.closed_at,
        workspace_name = excluded.workspace_name,
        title = excluded.title,
        details = excluded.details,
        told_open_at = case
            when excluded.closed_at is not null or known.claimed_until is null and known.taken_by = '{}' then known.told_open_at
        end,
        taken_by = case when excluded.closed_at is not null or known.told_open_at is null then known.taken_by else '{}' end
    where (known.closed_at is null) <> (excluded.closed_at is null)
    returning known.closed_at
)
select count(*) filter (where closed_at is null)::integer as opened, count(closed_at)::integer as closed
from changed;

-- name: incidents_claim_news
-- What is due and in nobody's hands; what closed unheard is settled here without a word.
with due as (
    -- Judged here and not below, since this sees a row as it is once it is locked.
    select
        id,
        closed_at is not null and told_open_at is null as is_late,
        -- A claim that ran out belongs to somebody who died, perhaps after the message had gone.
        claimed_until is null and taken_by = '{}' as is_unheard
    from incidents
    where told_closed_at is null
        and (claimed_until is null or claimed_until <= :now)
        and (closed_at is null and told_open_at is null or closed_at <= :quiet_since)
    order by attempts, id
    limit :at_most
    for update skip locked
),
claimed as (
    update incidents news
    set
        told_open_at = case when is_late then cast(:now as timestamptz) else told_open_at end,
        -- The first try is made on the row as it was before the lock, and checked, before it is made on the row as it is.
        told_closed_at = case
            when is_late and is_unheard and closed_at is not null then cast(:now as timestamptz)
        end,
        claimed_until = case when is_late and is_unheard then null else cast(:claimed_until as timestamptz) end,
        taken_by = case when is_late then '{}' else taken_by end
    from due
    where news.id = due.id
    returning news.*
)
select id, kind, subject, title, workspace_name, opened_at, closed_at, attempts, taken_by
from claimed
where told_closed_at is null
order by id;

-- name: incidents_record_told
-- What became of everything that was claimed; an incident may have closed or opened again while it was being told.
with outcome as (
    select id, is_opening, told, tries, taken_by
    from jsonb_to_recordset(:outcomes) as given (
        ids bigint[], is_opening boolean, told boolean, tries integer, taken_by text[]
    )
    cross join unnest(ids) as id
),
-- In the order of those who open and close.
locked as (
    select id
    from incidents
    where id in (select id from outcome) and claimed_until = :claimed_until
    order by kind, subject
    for update
)
update incidents news
set
    claimed_until = null,
    attempts = case when outcome.told then 0 else news.attempts + outcome.tries end,
    told_open_at = case
        when not outcome.told then news.told_open_at
        when outcome.is_opening then coalesce(news.told_open_at, cast(:now as timestamptz))
        -- Open again: people heard that it is over, so its opening is news.
        when news.closed_at is null then null
        else coalesce(news.told_open_at, cast(:now as timestamptz))
    end,
    told_closed_at = case
        when outcome.told and not outcome.is_opening and news.closed_at is not null then cast(:now as timestamptz)
    end,
    taken_by = case
        when outcome.told or outcome.is_opening <> (news.told_open_at is null) then '{}'
        else outcome.taken_by
    end
from locked
join outcome on outcome.id = locked.id
where news.id = locked.id;

-- name: integrity_begin_run
-- The run's line, before anything is looked at.
insert into integrity_runs (ordered_by, is_full, is_fix, started_at)
values (:ordered_by, :is_full, :is_fix, :now)
returning id;

-- name: integrity_finish_run
-- What each check found and did.
update integrity_runs
set finished_at = :now, status = :status, counts = :counts, items_read = :items_read, error = :error
where id = :id;

-- name: integrity_left_out
-- Rows that are on their way to either side, or were written after the last mark that the edge has confirmed.
select id from edge_changes where entity = :entity
union
select id from edge_parked where entity = :entity
union
select id from edge_source where entity = :entity and updated_at > :mark and updated_at <= :now
limit :at_most;

-- name: integrity_digests
-- The sum of content hashes of every bucket but for what is left out; the same sums are kept at the edge.
select bucket, sum(edge_hash(source.id, source.version, source.doc)) as total
from edge_source source
where entity = :entity
    and not exists (select from unnest(:left_out::uuid[]) as skipped (id) where skipped.id = source.id)
group by bucket;

-- name: integrity_bucket_rows
-- All rows of some buckets, without their content.
select id, version, edge_hash(id, version, doc) as content
from edge_source
where entity = :entity and bucket = any (:buckets::integer[]);

-- name: integrity_look_again
-- The same rows by number, and whether they have come to be on their way; what does not exist has no version.
select
    wanted.id, source.version, edge_hash(wanted.id, source.version, source.doc) as content,
    exists (select from edge_changes change where change.entity = :entity and change.id = wanted.id)
        or exists (select from edge_parked parked where parked.entity = :entity and parked.id = wanted.id) as is_on_its_way
from unnest(:ids::uuid[]) as wanted (id)
left join lateral (
    select version, doc from edge_source where entity = :entity and id = wanted.id offset 0
) source on true;

-- name: integrity_orphaned_emails
-- Outbound e-mails without their prospect, and who else has the address that they went to.
select
    email.id, coalesce(email.sync_version, 0) as version, count(*) over () as total,
    (
        select array_agg(prospect.id order by prospect.created_at, prospect.id)
        from prospects prospect
        where normalise_address(prospect.contact_email) = normalise_address(email.to_email)
            and prospect.org_id is not distinct from email.org_id
    ) as candidates
from emails email
where email.direction = 'outbound' and not email.orphaned and email.duplicate_of is null
    and not exists (select from prospects prospect where prospect.id = email.prospect_id)
order by email.id
limit :at_most;

-- name: integrity_duplicate_emails
-- E-mails that have their message_id from an earlier one, with that one and what is to be merged into it.
with grouped as (
    select
        message_id, (array_agg(id order by created_at, id))[1] as kept_id,
        min(sent_at) as sent_at, min(opened_at) as opened_at, min(clicked_at) as clicked_at, min(replied_at) as replied_at,
        min(bounced_at) as bounced_at
    from emails
    where message_id <> '' and duplicate_of is null
    group by message_id
    having count(*) > 1
)
select
    email.id, coalesce(email.sync_version, 0) as version, count(*) over () as total,
    grouped.kept_id, coalesce(kept.sync_version, 0) as kept_version,
    jsonb_strip_nulls(jsonb_build_object(
        'sent_at', case when grouped.sent_at is distinct from kept.sent_at then grouped.sent_at end,
        'opened_at', case when grouped.opened_at is distinct from kept.opened_at then grouped.opened_at end,
        'clicked_at', case when grouped.clicked_at is distinct from kept.clicked_at then grouped.clicked_at end,
        'replied_at', case when grouped.replied_at is distinct from kept.replied_at then grouped.replied_at end,
        'bounced_at', case when grouped.bounced_at is distinct from kept.bounced_at then grouped.bounced_at end
    )) as merged
from grouped
join emails kept on kept.id = grouped.kept_id
join emails email on email.message_id = grouped.message_id and email.duplicate_of is null and email.id <> grouped.kept_id
order by grouped.kept_id, email.id
limit :at_most;

-- name: integrity_suspicious_emails
-- E-mails whose state breaks a rule; which one, and what follows, is decided by decisions.problems_of.
select
    email.id, coalesce(email.sync_version, 0) as version, email.direction, email.status, email.sent_at, email.opened_at,
    email.clicked_at, email.replied_at, email.bounced_at, count(*) over () as total,
    reply.is_answered or reply.is_fresh as is_answered
from emails email
cross join lateral (
    select
        email.direction = 'outbound' and (email.replied_at is not null or email.status = 'replied') as is_claimed,
        -- A reply is told of before it is fetched.
        coalesce(email.replied_at, email.updated_at) >= cast(:settled_before as timestamptz) as is_fresh,
        exists (
            select from emails inbound
            where inbound.direction = 'inbound'
                and normalise_address(inbound.from_email) = normalise_address(email.to_email)
        ) or exists (
            select from inbox_items received
            where normalise_address(received.from_address) = normalise_address(email.to_email)
        ) as is_answered
) reply
where email.duplicate_of is null and (
    email.status <> all (:statuses::text[])
    or email.direction = 'outbound'
        and least(email.opened_at, email.clicked_at, email.replied_at) < coalesce(email.sent_at, 'infinity')
    or (email.bounced_at is not null or email.status = 'bounced') and (
        email.status = any (:engaged::text[])
        or coalesce(email.opened_at, email.clicked_at, email.replied_at) is not null
    )
    or reply.is_claimed and not reply.is_fresh and not reply.is_answered
)
order by email.id
limit :at_most;

-- name: integrity_stray_statuses
-- Sync states of customers who do not exist; a contact that is somebody else's by now must not be muted with them.
select
    status.customer_id, count(*) over () as total,
    exists (
        select from mautic_sync_status other
        join customer_profiles owner on owner.id = other.customer_id
        where other.mautic_contact_id = status.mautic_contact_id
    ) as is_shared
from mautic_sync_status status
where not exists (select from customer_profiles customer where customer.id = status.customer_id)
order by status.customer_id
limit :at_most;

-- name: integrity_suspicious_enrollments
-- Enrollments whose place in their campaign cannot be; which rule it breaks is decided by decisions.problems_of_enrollment.
-- Each arm reads one index that holds next to nothing else, however many people are enrolled.
with campaign as materialized (
    select
        owner.id, owner.status = 'active' and owner.source = 'native' as is_running,
        coalesce((select max(step_number) from campaign_sequences where campaign_id = owner.id), 0) as last_step
    from campaigns owner
),
suspicious as (
    select late.id
    from campaign
    cross join lateral (
        select id
        from campaign_enrollments
        where campaign_id = campaign.id and current_step > campaign.last_step
            and next_step_at is not null and status in ('active', 'engaged')
        offset 0
    ) late
    union
    select resting.id
    from campaign
    cross join lateral (
        select id
        from campaign_enrollments
        where campaign_id = campaign.id and current_step > campaign.last_step
            and (next_step_at is null or status not in ('active', 'engaged'))
            -- Every one there is, so that the index is entered once for each.
            and status in ('active', 'engaged', 'paused', 'replied', 'bounced', 'unsubscribed', 'stopped', 'completed')
        offset 0
    ) resting
    union
    select id
    from campaign_enrollments
    where next_step_at is not null and status not in ('active', 'engaged', 'paused')
    union
    select forgotten.id
    from campaign
    cross join lateral (
        select id
        from campaign_enrollments
        where campaign_id = campaign.id and next_step_at is null and status in ('active', 'engaged')
        offset 0
    ) forgotten
    where campaign.is_running
)
select
    enrollment.id, enrollment.status, enrollment.current_step, enrollment.next_step_at,
    to_jsonb(enrollment.next_step_at) #>> '{}' as due, campaign.last_step, campaign.is_running, count(*) over () as total,
    (
        -- By the numbers that the steps have now.
        select coalesce(max(step.step_number), 0)
        from campaign_sequences step
        where step.campaign_id = enrollment.campaign_id and (
            exists (select from campaign_sequence_logs where enrollment_id = enrollment.id and sequence_id = step.id)
            or exists (select from campaign_sequence_logs_archive where enrollment_id = enrollment.id and sequence_id = step.id)
        )
    ) as logged_step
from suspicious
cross join lateral (select * from campaign_enrollments where id = suspicious.id offset 0) enrollment
join campaign on campaign.id = enrollment.campaign_id
order by enrollment.id
limit :at_most;

-- name: integrity_unbalanced_steps
-- Steps that more or fewer people came to than there are lines of.
select
    sequence_id, campaign_id, step_number, reached, sent, skipped, failed, pending, stopped, count(*) over () as total
from campaign_step_accounting
where not holds
order by sequence_id
limit :at_most;

-- name: integrity_total_drift
-- Totals of campaigns that their rows contradict: what was sent stands in the log and its archive.
-- Who was deleted after the end has completed it all the same, and left lines in the archive alone.
select campaign.id as campaign_id, told.total, told.counted, told.logged
from campaigns campaign
cross join lateral (
    select
        (
            select count(*) from campaign_enrollments
            where campaign_id = campaign.id and next_step_at is not null and status in ('active', 'engaged')
        ) + (
            select count(*) from campaign_enrollments
            where campaign_id = campaign.id and next_step_at is null and status in ('active', 'engaged')
        ) as active,
        (select count(*) from campaign_enrollments where campaign_id = campaign.id and status = 'completed') as completed,
        (
            select coalesce(sum(step.sent), 0)
            from campaign_step_accounting step
            where step.campaign_id = campaign.id and step.channel = 'email'
        ) as sent
    -- Counted once, however often it is looked at.
    offset 0
) rows
cross join lateral (
    select case when campaign.total_completed > rows.completed then (
        select count(distinct line.enrollment_id)
        from campaign_sequences step
        join campaign_sequence_logs_archive line on line.sequence_id = step.id
        where step.campaign_id = campaign.id
            and not exists (select from campaign_enrollments known where known.id = line.enrollment_id)
    ) else 0 end as enrollments
) deleted
cross join lateral (
    values
        ('total_active', campaign.total_active::bigint, rows.active),
        ('total_completed', campaign.total_completed, greatest(
            rows.completed, least(campaign.total_completed, rows.completed + deleted.enrollments)
        )),
        ('total_sent', campaign.total_sent, rows.sent)
) told (total, counted, logged)
where told.counted <> told.logged
    -- Campaigns of others keep totals of their own.
    and campaign.source = 'native' and exists (select from campaign_sequences step where step.campaign_id = campaign.id)
order by campaign.id, told.total;

-- name: integrity_correct_totals
-- By the difference: what was counted since stays counted.
update campaigns campaign
set
    total_active = campaign.total_active + given.active, total_completed = campaign.total_completed + given.completed,
    total_sent = campaign.total_sent + given.sent
from (
    select
        campaign_id, coalesce(sum(total_active), 0) as active, coalesce(sum(total_completed), 0) as completed,
        coalesce(sum(total_sent), 0) as sent
    from jsonb_to_recordset(:differences) as given (
        campaign_id uuid, total_active integer, total_completed integer, total_sent integer
    )
    group by campaign_id
) given
where campaign.id = given.campaign_id;

-- name: integrity_forgotten_tasks
-- Failed tasks that nobody has replayed in time.
select id, source, count(*) over () as total
from failed_tasks
where replayed_at is null and failed_at < :before
order by id
limit :at_most;

-- name: integrity_reverted_rows
-- What somebody took back within the last month: it is not done again unasked.
select distinct entity, row_id
from integrity_fixes
where check_name = :check_name and reverted_at > cast(:now as timestamptz) - interval '30 days';

-- name: integrity_keep_findings
-- Makes the standing findings of a check those that were found now; the others of what was looked at are gone.
with given as materialized (
    select * from jsonb_to_recordset(:findings) as given (entity text, row_id text, what text, details jsonb, status text)
),
gone as (
    update integrity_findings known
    set status = 'gone', closed_at = :now
    where check_name = :check_name and status in ('open', 'needs_approval', 'parked') and :is_whole
        and not entity = any (:unseen::text[])
        and not exists (select from given where given.entity = known.entity and given.row_id = known.row_id)
)
insert into integrity_findings as known (run_id, check_name, entity, row_id, what, details, status, found_at, seen_at)
select :run_id, :check_name, entity, row_id, what, details, status, :now, :now
from given
order by entity, row_id
on conflict (check_name, entity, row_id) where status in ('open', 'needs_approval', 'parked') do update set
    run_id = excluded.run_id, what = excluded.what, details = excluded.details, seen_at = excluded.seen_at,
    status = case when known.status = 'needs_approval' and excluded.status = 'open' then known.status else excluded.status end
returning id, entity, row_id;

-- name: integrity_ask
-- Too much at once: a person decides.
update integrity_findings set status = 'needs_approval' where id = any (:ids::bigint[]) and status = 'open';

-- name: integrity_asking
-- Checks that wait for somebody's word.
select check_name, count(*)::integer as rows
from integrity_findings
where status = 'needs_approval'
group by check_name
order by check_name;

-- name: integrity_leave_time
-- For the rest of the transaction: a mark on a row says nothing about when it was written.
select set_config('app.edge_sync', 'quiet', true) as setting;

-- name: integrity_fix_emails
-- The changes, their log and what they settle, in one; only of e-mails that are as they were seen, and whole groups of them.
with given as materialized (
    select *
    from jsonb_to_recordset(:fixes) as given (
        finding_id bigint, whole text, row_id uuid, seen_version bigint, action text, changes jsonb
    )
),
locked as materialized (
    select given.*, known as was
    from given
    join emails known on known.id = given.row_id and coalesce(known.sync_version, 0) = given.seen_version
    order by known.id
    for update of known
),
sound as (
    select given.whole
    from given
    left join locked on locked.row_id = given.row_id
    group by given.whole
    having bool_and(locked.row_id is not null)
),
changed as (
    update emails known
    set
        prospect_id = (next.email).prospect_id, orphaned = (next.email).orphaned, duplicate_of = (next.email).duplicate_of,
        status = (next.email).status, sent_at = (next.email).sent_at, opened_at = (next.email).opened_at,
        clicked_at = (next.email).clicked_at, replied_at = (next.email).replied_at, bounced_at = (next.email).bounced_at
    from (
        select row_id, jsonb_populate_record(was, changes) as email from locked where whole in (select whole from sound)
    ) next
    where known.id = next.row_id
    returning known.id
)
select settled.id
from (
    select jsonb_agg(jsonb_build_object(
        'finding_id', finding_id, 'row_id', row_id, 'action', action, 'was', to_jsonb(was), 'changes', changes
    )) as done
    from locked
    where row_id in (select id from changed)
) mended
cross join lateral settle_fixes(:run_id, :check_name, 'emails', :who, :now, mended.done) as settled (id);

-- name: integrity_drop_statuses
-- The trigger of the table notes the contact for removal, as for every customer who was deleted.
with given as materialized (
    select * from jsonb_to_recordset(:fixes) as given (finding_id bigint, customer_id uuid)
),
dropped as (
    delete from mautic_sync_status status
    using given
    where status.customer_id = given.customer_id
        and not exists (select from customer_profiles customer where customer.id = status.customer_id)
    returning given.finding_id, status.customer_id, to_jsonb(status) as was
)
select settled.id
from (
    select jsonb_agg(jsonb_build_object(
        'finding_id', finding_id, 'row_id', customer_id, 'action', 'deleted', 'was', was
    )) as done
    from dropped
) mended
cross join lateral settle_fixes(:run_id, :check_name, 'mautic_sync_status', :who, :now, mended.done) as settled (id);

-- name: integrity_fix_enrollments
-- The changes, their log and what they settle, in one; only of enrollments that stand where they were seen.
with given as materialized (
    select *
    from jsonb_to_recordset(:fixes) as given (finding_id bigint, row_id uuid, action text, seen jsonb, changes jsonb)
),
locked as materialized (
    select given.*, known as was
    from given
    join campaign_enrollments known on known.id = given.row_id
    order by known.id
    for no key update of known
),
changed as (
    update campaign_enrollments known
    set current_step = (next.enrollment).current_step, next_step_at = (next.enrollment).next_step_at
    from (
        select row_id, jsonb_populate_record(was, changes) as enrollment
        from locked
        where jsonb_populate_record(was, seen) is not distinct from was
    ) next
    where known.id = next.row_id
    returning known.id
)
select settled.id
from (
    select jsonb_agg(jsonb_build_object(
        'finding_id', finding_id, 'row_id', row_id, 'action', action, 'was', to_jsonb(was), 'changes', changes
    )) as done
    from locked
    where row_id in (select id from changed)
) mended
cross join lateral settle_fixes(:run_id, :check_name, 'campaign_enrollments', :who, :now, mended.done) as settled (id);

-- name: integrity_touch
-- New versions for rows that have to reach the edge anew; that they changed is noted with them.
select id, version from edge_touch(:entity, :ids::uuid[]);

-- name: integrity_note_deletions
-- For what PostgreSQL does not have: a tombstone goes to the edge, by this run or by the next replication.
insert into edge_changes (entity, id, version, is_deleted)
select :entity, id, nextval('edge_versions'), true
from unnest(:ids::uuid[]) as gone (id)
returning id, version;

-- name: integrity_log_fixes
-- Before anything is written to the edge.
insert into integrity_fixes (run_id, finding_id, check_name, entity, row_id, action, before, after, fixed_at, fixed_by)
select :run_id, finding_id, :check_name, entity, row_id, action, before, after, :now, :who
from jsonb_to_recordset(:fixes) as fix (
    finding_id bigint, entity text, row_id text, action text, before jsonb, after jsonb
)
returning id, finding_id, row_id;

-- name: integrity_confirm_fixes
-- The edge has them: the findings are settled, and the note that would have written them again is not needed.
with applied as (
    update integrity_fixes
    set applied_at = :now
    where id = any (:ids::bigint[])
    returning finding_id, entity, row_id, after
),
settled as (
    delete from edge_changes change
    using applied
    where change.entity = applied.entity and change.id::text = applied.row_id
        and change.version <= (applied.after ->> 'version')::bigint
)
update integrity_findings
set status = 'fixed', closed_at = :now
where id in (select finding_id from applied);

-- name: integrity_fixes_to_revert
-- One fix, or all of a run: the latest of each row that was not taken back yet.
select distinct on (check_name, entity, row_id)
    id, check_name, entity, row_id, action, before::text as before, after::text as after
from integrity_fixes
where (id = :fix_id or run_id = :run_id) and reverted_at is null and not id = any (:tried::bigint[])
order by check_name, entity, row_id, id desc;

-- name: integrity_undo_emails
-- Only where the columns are as the fix left them; whoever changed them since knows better.
with fix as materialized (
    select id, row_id::uuid as email_id, before, after from integrity_fixes where id = any (:ids::bigint[]) and reverted_at is null
),
put_back as (
    update emails known
    set
        prospect_id = (next.email).prospect_id, orphaned = (next.email).orphaned, duplicate_of = (next.email).duplicate_of,
        status = (next.email).status, sent_at = (next.email).sent_at, opened_at = (next.email).opened_at,
        clicked_at = (next.email).clicked_at, replied_at = (next.email).replied_at, bounced_at = (next.email).bounced_at
    from (
        select fix.email_id, jsonb_populate_record(present, fix.before) as email
        from fix
        join emails present
            on present.id = fix.email_id and jsonb_populate_record(present, fix.after) is not distinct from present
    ) next
    where known.id = next.email_id
    returning known.id
)
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id in (select fix.id from fix join put_back on put_back.id = fix.email_id)
returning id;

-- name: integrity_undo_statuses
-- As it was; what was noted for removal and not carried out yet is called off.
with fix as materialized (
    select id, before from integrity_fixes where id = any (:ids::bigint[]) and reverted_at is null
),
put_back as (
    insert into mautic_sync_status
    select (jsonb_populate_record(null::mautic_sync_status, before)).* from fix
    on conflict do nothing
    returning customer_id, mautic_contact_id
),
called_off as (
    delete from mautic_removals removal
    using put_back
    where removal.mautic_contact_id = put_back.mautic_contact_id and removal.customer_id = put_back.customer_id
)
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id in (select fix.id from fix join put_back on put_back.customer_id = (fix.before ->> 'customer_id')::uuid)
returning id;

-- name: integrity_undo_enrollments
-- Only where somebody still stands where the fix put them.
with fix as materialized (
    select id, row_id::uuid as enrollment_id, before, after
    from integrity_fixes
    where id = any (:ids::bigint[]) and reverted_at is null
),
put_back as (
    update campaign_enrollments known
    set current_step = (next.enrollment).current_step, next_step_at = (next.enrollment).next_step_at
    from (
        select fix.enrollment_id, jsonb_populate_record(present, fix.before) as enrollment
        from fix
        join campaign_enrollments present
            on present.id = fix.enrollment_id and jsonb_populate_record(present, fix.after) is not distinct from present
    ) next
    where known.id = next.enrollment_id
    returning known.id
)
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id in (select fix.id from fix join put_back on put_back.id = fix.enrollment_id)
returning id;

-- name: integrity_mark_reverted
-- What was put back at the edge.
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id = any (:ids::bigint[]) and reverted_at is null
returning id;

-- name: integrity_forget_old
-- Three months are enough to look back; what still stands is kept.
with fixes as (
    delete from integrity_fixes where fixed_at < :before
),
findings as (
    delete from integrity_findings where closed_at < :before
)
delete from integrity_runs where started_at < :before;

-- name: integrity_last_runs
-- What each of the latest runs found and did.
select id, ordered_by, is_full, is_fix, started_at, finished_at, status, counts::text as counts, items_read, error
from integrity_runs
order by id desc
limit :at_most;

-- name: integrity_standing_findings
-- What is wrong by now, the latest first.
select id, run_id, check_name, entity, row_id, what, details::text as details, status, found_at, seen_at
from integrity_findings
where status in ('open', 'needs_approval', 'parked')
order by id desc
limit :at_most;

-- name: integrity_last_fixes
-- What was changed, the latest first; not to what.
select id, run_id, check_name, entity, row_id, action, fixed_at, fixed_by, applied_at, reverted_at, reverted_by
from integrity_fixes
order by id desc
limit :at_most;

-- name: integrity_erase_fixes
-- Copies of items that name the person; such a fix cannot be taken back any more.
update integrity_fixes
set before = '{"erased": true}'
where exists (select from unnest(:marks::text[]) as mark where position(lower(mark) in lower(before::text)) > 0)
returning id;

-- name: integrity_count_fixes
-- What erase_fixes would empty.
select count(*)::integer as fixes
from integrity_fixes
where exists (select from unnest(:marks::text[]) as mark where position(lower(mark) in lower(before::text)) > 0);

-- name: operations_count_crm
-- What erase_crm would change: people of the CRM with one of these addresses, and what was written to, by and about them.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
)
select
    (select count(*) from people where kind = 'contact')::integer as contacts,
    (select count(*) from people where kind = 'prospect')::integer as prospects,
    (
        select count(*) from activities
        where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    )::integer as activities,
    (select count(*) from entity_history where entity_id in (select id from concerned))::integer as entity_history,
    (select count(*) from notifications where entity_id in (select id from concerned))::integer as notifications,
    (
        select count(*) from emails
        where normalise_address(to_email) = any (:addresses::text[])
            or normalise_address(from_email) = any (:addresses::text[])
            or prospect_id in (select id from people)
    )::integer as emails,
    (select count(*) from inbox_items where normalise_address(from_address) = any (:addresses::text[]))::integer as inbox_items;

-- name: operations_crm_phones
-- Numbers that the CRM has of the person, which may stand elsewhere too.
select phone from contacts where normalise_address(email) = any (:addresses::text[]) and phone is not null
union
select phone from prospects where normalise_address(contact_email) = any (:addresses::text[]) and phone is not null;

-- name: operations_erase_crm
-- Rows that deals and figures refer to stay, without the person; one statement, since it takes away what it finds them by.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
),
contact as (
    update contacts
    set
        email = null, phone = null, first_name = null, last_name = null, title = null, linkedin_url = null,
        deleted_at = coalesce(deleted_at, now()), updated_at = now()
    where id in (select id from people where kind = 'contact')
    returning 1
),
prospect as (
    -- The name is the company's, but for somebody who is a company.
    update prospects
    set
        name = case when lower(btrim(name)) = lower(btrim(contact_name)) then 'erased' else name end,
        contact_name = null, contact_email = null, contact_title = null, phone = null, linkedin_url = null,
        archived = true, updated_at = now()
    where id in (select id from people where kind = 'prospect')
    returning 1
),
activity as (
    update activities
    set subject = null, description = null, metadata = '{}', updated_at = now()
    where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    returning 1
),
history as (
    update entity_history
    set old_value = null, new_value = null, metadata = '{}'
    where entity_id in (select id from concerned)
    returning 1
),
notification as (
    delete from notifications where entity_id in (select id from concerned) returning 1
),
mail as (
    -- Whom a campaign has reached stays countable.
    update emails
    set
        subject = null, body = null, updated_at = now(),
        to_email = case when normalise_address(to_email) = any (:addresses::text[]) or direction = 'outbound' then null else to_email end,
        from_email = case when normalise_address(from_email) = any (:addresses::text[]) or direction <> 'outbound' then null else from_email end
    where normalise_address(to_email) = any (:addresses::text[])
        or normalise_address(from_email) = any (:addresses::text[])
        or prospect_id in (select id from people)
    returning 1
),
reply as (
    -- Its id at the source stays: the same reply, fetched once more, is not stored again.
    update inbox_items
    set from_address = null, subject = null, updated_at = now()
    where normalise_address(from_address) = any (:addresses::text[])
    returning 1
)
select
    (select count(*) from contact)::integer as contacts,
    (select count(*) from prospect)::integer as prospects,
    (select count(*) from activity)::integer as activities,
    (select count(*) from history)::integer as entity_history,
    (select count(*) from notification)::integer as notifications,
    (select count(*) from mail)::integer as emails,
    (select count(*) from reply)::integer as inbox_items;

-- name: operations_tables_to_search
-- Every table with text in it, the installation's own as well; what is too large for one look is only named.
select table_name as name, pg_total_relation_size(format('%I', table_name)::regclass) > :too_large as is_too_large
from information_schema.tables
where table_schema = 'public' and table_type = 'BASE TABLE'
order by table_name;

-- name: operations_mentions
-- How many rows of one table speak of the person in any column.
select count_mentions(:relation, :needles::text[], :pattern)::integer as rows;

-- name: operations_keep_receipt
-- Committed with the last of the erasure, or not at all.
insert into erasure_receipts (subject, receipt, at) values (:subject::text[], :receipt, :at) returning id;

-- name: operations_complete_receipt
-- What a last look at all tables found afterwards.
update erasure_receipts set receipt = :receipt where id = :id;

-- name: operations_erasures_of
-- Every erasure that left a hash of one of these marks, and whether one of them still keeps the person away.
select asked.is_erased, receipt.id, receipt.at, receipt.receipt
from (
    select coalesce(bool_or(is_erased(null, :channel, mark)), false) as is_erased from unnest(:marks::text[]) as mark
) asked
left join erasure_receipts receipt on receipt.subject && array(
    select erased_key(mark, (select value from installation_settings where key = 'erasure_salt'))
    from unnest(:marks::text[]) as mark
)
order by receipt.id;

-- name: operations_create_token
-- A name is used once, also by a token that was revoked.
insert into api_tokens (name, sha256, role, expires_at, created_by, created_at)
values (:name, :sha256, :role, :expires_at, :created_by, :now)
on conflict do nothing
returning name;

-- name: operations_usable_tokens
-- All that a caller's token is compared with.
select name, sha256, role, last_used_at
from api_tokens
where revoked_at is null and (expires_at is null or expires_at > cast(:now as timestamptz));

-- name: operations_note_token_use
-- For whoever asks which tokens are still needed.
update api_tokens set last_used_at = :now where name = :name;

-- name: operations_tokens
-- Everything but the hash, the newest first.
select name, role, created_at, created_by, expires_at, last_used_at, revoked_at from api_tokens order by created_at desc, name;

-- name: operations_revoke_token
-- The first time counts, however often it is asked for.
update api_tokens
set revoked_at = coalesce(revoked_at, :now)
where name = :name
returning name, role, created_at, created_by, expires_at, last_used_at, revoked_at;

-- name: operations_alive
-- Whether the database answers at all.
select true as alive;

-- name: operations_latest_resyncs
-- The latest of each entity, running or not, with how far it is.
select
    entity, phase, coalesce(total, 0) as total, written, swept, next_bucket, ordered_by, started_at, updated_at, finished_at, error
from (
    select resync.*, row_number() over (partition by entity order by id desc) as place from edge_resyncs resync
) latest
where place = 1
order by entity;

-- name: operations_entity_sizes
-- Counted where a sync has counted, else what the planner believes: a count over a million rows takes longer than all else.
select
    entity.entity,
    case when entity.counted_at is not null then entity.known_rows else nullif(relation.reltuples, -1)::bigint end as rows,
    entity.counted_at is null as is_estimate,
    entity.blocked_at
from edge_entities entity
left join pg_class relation on relation.oid = to_regclass('public.' || quote_ident(entity.entity))
order by entity.entity;

-- name: operations_mautic_state
-- The latest run of the Mautic sync, and what waits for the next one; more than a thousand are not counted further.
select
    run.run_started_at as last_started_at, run.run_finished_at as last_finished_at,
    coalesce(run.contacts_synced, 0) as last_synced, coalesce(run.contacts_failed, 0) as last_failed,
    (
        select count(*) from (
            (select from mautic_dirty limit 1001)
            union all
            (select from mautic_dirty_bulk cross join lateral unnest(customer_ids) limit 1001)
        ) waiting
    )::integer as pending,
    (select count(*) from (select from mautic_sync_status where next_attempt_at is not null limit 1001) failing)::integer as to_repeat
from (select 1) one
left join lateral (select * from mautic_sync_logs order by run_started_at desc limit 1) run on true;

-- name: operations_mautic_runs
-- The latest runs of the Mautic sync, newest first, without the reasons: those name customers.
select
    run_started_at as started_at, run_finished_at as finished_at, coalesce(contacts_synced, 0) as synced,
    coalesce(contacts_created, 0) as created, coalesce(contacts_updated, 0) as updated,
    coalesce(contacts_failed, 0) as failed, coalesce(segments_synced, 0) as segments
from mautic_sync_logs
order by run_started_at desc
limit :at_most;

-- name: operations_workspaces
-- One row a workspace: is its webhook well, what was counted this month in its own zone, how are its sender accounts.
select
    workspace.name, workspace.timezone, health.last_webhook_at, coalesce(health.webhook_count_24h, 0) as deliveries_24h,
    health.success_rate_24h::float8 as success_rate_24h, coalesce(health.is_healthy, false) as is_healthy,
    coalesce(health.is_silent, false) as is_silent, health.workspace_name is not null as has_webhook,
    coalesce(rejection.in_a_row, 0) as rejected_in_a_row, metrics.month,
    coalesce(metrics.emails_sent_mtd, 0) as emails_sent, coalesce(metrics.replies_mtd, 0) as replies,
    coalesce(metrics.positive_replies_mtd, 0) as interested, coalesce(metrics.bounced_mtd, 0) as bounced,
    coalesce(metrics.unsubscribed_mtd, 0) as unsubscribed,
    coalesce(senders.total_accounts, 0) as accounts, coalesce(senders.connected_accounts, 0) as connected_accounts
from workspaces workspace
left join webhook_health health on health.workspace_name = workspace.name
left join webhook_rejections rejection on rejection.source = 'bison' and rejection.claimed = workspace.name
left join client_metrics metrics
    on metrics.workspace_name = workspace.name
    and metrics.month = date_trunc('month', cast(:now as timestamptz) at time zone workspace.timezone)::date
left join get_account_status_stats() senders on senders.workspace_name = workspace.name
order by workspace.name
limit :at_most;

-- name: operations_provider_days
-- What each mail provider sent and got back, day by day over all workspaces; the accounts are those of the day's snapshot.
select
    history.snapshot_date as day, history.email_provider as provider, sum(history.sent_since)::bigint as sent,
    sum(history.replies_since)::bigint as replies, sum(history.total_accounts)::integer as accounts,
    sum(history.connected_accounts)::integer as connected_accounts
from provider_performance_history history
where history.snapshot_date > cast(:since as date)
group by 1, 2
order by 1, 2;

-- name: operations_incidents
-- What is wrong now, and what was lately; the open ones first.
select
    id, kind, subject, workspace_name, title, opened_at, closed_at, told_open_at is not null as is_told
from (
    (select * from incidents where closed_at is null order by id desc limit :at_most)
    union all
    (select * from incidents where closed_at is not null order by id desc limit :at_most)
) latest
order by closed_at is not null, id desc
limit :at_most;

-- name: operations_failed_tasks
-- Messages that were given up and wait for a person, without their content.
select id, source, failed_at, error, replayed_at
from failed_tasks
where replayed_at is null
order by id desc
limit :at_most;

-- name: operations_waiting_deliveries
-- Deliveries without effect and messages that were given up; more than a thousand are not counted further.
select
    (select count(*) from (select from webhook_inbox where applied_at is null limit 1001) open)::integer as deliveries,
    (select count(*) from (select from failed_tasks where replayed_at is null limit 1001) open)::integer as failed_tasks;

-- name: operations_fix_versions
-- One automatic change with what was there before and after: personal data, so it is asked for by itself.
select
    id, check_name, entity, row_id, action, before::text as before, after::text as after, fixed_at, fixed_by, reverted_at, reverted_by
from integrity_fixes
where id = :id;

-- name: outreach_apply_delivery
-- Everything that one delivery means; the function says in which order, and why.
select apply_bison_delivery(:attempt, :event) as outcome;

-- name: outreach_log_failure
-- An attempt with a good token that could not be read: it has no effect, and the workspace's health shows it.
select log_bison_attempt(:workspace_name, :event_type, false, :reason, :received_at, :elapsed_ms, null, 'webhook') as logged;

-- name: outreach_note_rejection
-- A call without a valid token, one more in a row; an hour of peace begins a new row.
insert into webhook_rejections as known (source, claimed, in_a_row, last_at)
values ('bison', :claimed, 1, :now)
on conflict (source, claimed) do update set
    in_a_row = case when known.last_at < excluded.last_at - interval '1 hour' then 1 else known.in_a_row + 1 end,
    last_at = excluded.last_at
returning in_a_row;

-- name: outreach_rejections_over
-- Whose good delivery came in since; of calls that name no workspace of ours only an hour of peace can say so.
select claimed
from webhook_rejections
where source = 'bison'
    and (in_a_row = 0 or (claimed = :unknown and last_at < cast(:now as timestamptz) - interval '1 hour'));

-- name: outreach_known_workspace
-- The name by which a call may be filed that proves nothing; whatever else it says of itself is not repeated.
select name from workspaces where bison_workspace_id = :workspace_id limit 1;

-- name: outreach_begin_poll
-- Begin a reading, or go on with one that was cut off, unless it is so old that it is none any more.
with begun as (
    insert into bison_polls as poll (workspace_name, cycle)
    values (:workspace_name, :now)
    on conflict (workspace_name) do update set
        cycle = excluded.cycle, next_page = 1, pass = 1, is_steady = true, total = null
        where not (coalesce(poll.completed_at < poll.cycle, true) and coalesce(poll.cycle > :oldest, false))
    returning cycle, next_page, pass
)
select cycle, next_page, pass from begun
union all
select cycle, next_page, pass from bison_polls where workspace_name = :workspace_name and not exists (select from begun);

-- name: outreach_keep_page
-- One page of accounts and how far the reading is, in one statement. Of a webhook and a page the later one is believed.
with page as materialized (
    select *
    from jsonb_to_recordset(:accounts) as account (
        account_id bigint, email text, name text, status text, account_type text, daily_limit integer, warmup_enabled boolean,
        emails_sent bigint, replied bigint, unique_replied bigint, bounced bigint, unsubscribed bigint, interested bigint,
        leads_contacted bigint, tags jsonb, provider text, reseller text
    )
),
kept as (
    insert into sender_emails_cache as known (
        workspace_name, bison_instance, sender_email_id, email_address, name, status, status_at, account_type, daily_limit,
        warmup_enabled, emails_sent_count, total_replied_count, unique_replied_count, bounced_count, unsubscribed_count,
        interested_leads_count, total_leads_contacted_count, tags, email_provider, reseller, seen_in, last_synced_at
    )
    select
        :workspace_name, :instance, account_id, email, name, status, :asked_at, account_type, daily_limit, warmup_enabled,
        coalesce(emails_sent, 0), coalesce(replied, 0), coalesce(unique_replied, 0), coalesce(bounced, 0),
        coalesce(unsubscribed, 0), coalesce(interested, 0), coalesce(leads_contacted, 0), coalesce(tags, '[]'), provider,
        reseller, cast(:cycle as timestamptz), :asked_at
    from page
    order by account_id
    on conflict (bison_instance, sender_email_id) do update set
        workspace_name = excluded.workspace_name,
        email_address = excluded.email_address,
        name = excluded.name,
        status = case when known.status_at > excluded.status_at then known.status else excluded.status end,
        status_at = greatest(known.status_at, excluded.status_at),
        recheck_since = case when known.recheck_since > excluded.status_at then known.recheck_since end,
        removed_at = case when known.removed_at > excluded.status_at then known.removed_at end,
        account_type = excluded.account_type,
        daily_limit = excluded.daily_limit,
        warmup_enabled = excluded.warmup_enabled,
        emails_sent_count = excluded.emails_sent_count,
        total_replied_count = excluded.total_replied_count,
        unique_replied_count = excluded.unique_replied_count,
        bounced_count = excluded.bounced_count,
        unsubscribed_count = excluded.unsubscribed_count,
        interested_leads_count = excluded.interested_leads_count,
        total_leads_contacted_count = excluded.total_leads_contacted_count,
        tags = excluded.tags,
        -- Tags are wiped when an account reconnects: none says nothing about a provider that was known.
        email_provider = coalesce(excluded.email_provider, known.email_provider),
        reseller = coalesce(excluded.reseller, known.reseller),
        seen_in = coalesce(excluded.seen_in, known.seen_in),
        last_synced_at = excluded.last_synced_at,
        updated_at = now()
    where known.last_synced_at is null or known.last_synced_at <= excluded.last_synced_at
    returning 1
),
progress as (
    update bison_polls
    set
        next_page = :next_page,
        is_steady = is_steady and (total is null or :is_first_page or total = :total),
        total = :total
    where workspace_name = :workspace_name and cycle = cast(:cycle as timestamptz)
)
select count(*)::integer as kept from kept;

-- name: outreach_pass_outcome
-- Whether what stood on the pages can have been everything.
select
    (
        select count(*)::integer
        from sender_emails_cache
        where workspace_name = poll.workspace_name and seen_in = poll.cycle and removed_at is null
    ) as seen,
    poll.total,
    poll.is_steady,
    array(
        select sender_email_id
        from sender_emails_cache
        where workspace_name = poll.workspace_name and removed_at is null and seen_in is distinct from poll.cycle
        order by sender_email_id
        limit :at_most
    ) as unseen
from bison_polls poll
where workspace_name = :workspace_name;

-- name: outreach_next_pass
-- The pages moved while they were read: from the first one again, in the same reading.
update bison_polls set next_page = 1, pass = pass + 1, is_steady = true, total = null where workspace_name = :workspace_name;

-- name: outreach_complete_poll
-- Only now is the reading one that counts; the next one begins at the first page.
update bison_polls
set completed_at = :now, next_page = 1, error = null, accounts = :accounts
where workspace_name = :workspace_name and cycle = :cycle;

-- name: outreach_fail_poll
-- What an operator reads first; the reading stays where it was.
update bison_polls set error = :error where workspace_name = :workspace_name;

-- name: outreach_remove_accounts
-- EmailBison does not know them any more, asked one by one.
update sender_emails_cache
set removed_at = :now, status = 'Disconnected', status_at = :now, recheck_since = null, updated_at = now()
where bison_instance = :instance and workspace_name = :workspace_name and sender_email_id = any (:account_ids::bigint[]);

-- name: outreach_accounts_to_recheck
-- A webhook said that they are disconnected, which may be over by now.
select sender_email_id
from sender_emails_cache
where workspace_name = :workspace_name and recheck_since is not null and removed_at is null
order by recheck_since
limit :at_most;

-- name: outreach_disconnected_accounts
-- Looked at again, or read from a page: not those of which only a webhook says so.
select sender_email_id, email_address, email_provider
from sender_emails_cache
where workspace_name = :workspace_name and status <> 'Connected' and removed_at is null and recheck_since is null
order by email_address;

-- name: outreach_next_workspaces
-- Whose accounts were read longest ago comes first, so that a run that is always too short starves nobody.
select wanted.name
from unnest(:names::text[]) as wanted (name)
left join bison_polls poll on poll.workspace_name = wanted.name
order by poll.completed_at nulls first, wanted.name;

-- name: outreach_open_months
-- A month begins for every workspace, also where nothing happens in it.
select count(*)::integer as opened
from (
    select open_month(workspace.name, :now)
    from workspaces workspace
    where workspace.bison_workspace_id is not null
        and not exists (
            select
            from client_metrics metrics
            where metrics.workspace_name = workspace.name and metrics.metric_type = 'mtd'
                and metrics.month = workspace_month(workspace.name, :now)
        )
    offset 0
) opened;

-- name: outreach_health
-- Every workspace as its page shows it, and what is being told of it already.
select
    health.workspace_name, health.last_webhook_at, health.webhook_count_24h as deliveries, health.success_rate_24h as success_rate,
    health.is_silent, workspace.bison_silence_hours as silence_hours,
    exists (
        select
        from incidents
        where kind = 'webhook_health' and subject = health.workspace_name and closed_at is null
    ) as is_open
from webhook_health health
join workspaces workspace on workspace.name = health.workspace_name
order by health.workspace_name;

-- name: outreach_hooks_due
-- Workspaces whose registration was not looked at for an hour.
select wanted.name
from unnest(:names::text[]) as wanted (name)
left join bison_polls poll on poll.workspace_name = wanted.name
where poll.hooks_checked_at is null or poll.hooks_checked_at <= :before;

-- name: outreach_hooks_checked
-- So that the next look is an hour away.
insert into bison_polls (workspace_name, hooks_checked_at)
select name, :now from unnest(:names::text[]) as checked (name)
on conflict (workspace_name) do update set hooks_checked_at = excluded.hooks_checked_at;

-- name: outreach_keep_workspace
-- What EmailBison says of the workspace; the organization and the zone are the installation's own.
insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
values (default_org_id(), :name, :workspace_id, :instance_url)
on conflict (name) do update set
    bison_workspace_id = coalesce(excluded.bison_workspace_id, workspaces.bison_workspace_id),
    bison_instance_url = coalesce(workspaces.bison_instance_url, excluded.bison_instance_url);

-- name: outreach_workspace_ids
-- Which number EmailBison gave each workspace, as far as it is known here.
select name, bison_workspace_id from workspaces where name = any (:names::text[]) and bison_workspace_id is not null;

-- name: outreach_last_line
-- After which line of the log a test has to show.
select coalesce(max(id), 0) as id from webhook_delivery_log where workspace_name = :workspace_name;

-- name: outreach_arrived_after
-- Whether a test that was sent has come in.
select exists (
    select
    from webhook_delivery_log
    where workspace_name = :workspace_name and event_type = :event_type and id > :line
) as arrived;

-- name: outreach_snapshot_providers
-- The day's row of each provider: added up account by account, so that an account which leaves takes nothing away.
-- A second report of the same day adds to what the first one counted.
with fresh as materialized (
    select
        id, workspace_name, coalesce(email_provider, 'Other') as email_provider, status, removed_at, emails_sent_count,
        total_replied_count,
        case when reported is null then 0 else greatest(emails_sent_count - (reported ->> 'sent')::bigint, 0) end as sent_since,
        case when reported is null then 0 else greatest(total_replied_count - (reported ->> 'replies')::bigint, 0) end
            as replies_since
    from sender_emails_cache
),
noted as (
    update sender_emails_cache account
    set reported = jsonb_build_object('sent', fresh.emails_sent_count, 'replies', fresh.total_replied_count)
    from fresh
    where account.id = fresh.id
        and account.reported is distinct from
            jsonb_build_object('sent', fresh.emails_sent_count, 'replies', fresh.total_replied_count)
),
day as (
    insert into provider_performance_history as known (
        snapshot_date, workspace_name, email_provider, total_accounts, connected_accounts, total_sent, total_replies,
        reply_rate_percentage, sent_since, replies_since
    )
    select
        (cast(:now as timestamptz) at time zone coalesce(workspace.timezone, 'UTC'))::date, fresh.workspace_name, email_provider,
        count(*) filter (where removed_at is null), count(*) filter (where removed_at is null and status = 'Connected'),
        coalesce(sum(emails_sent_count) filter (where removed_at is null), 0),
        coalesce(sum(total_replied_count) filter (where removed_at is null), 0),
        round(coalesce(
            100.0 * sum(total_replied_count) filter (where removed_at is null)
                / nullif(sum(emails_sent_count) filter (where removed_at is null), 0), 0), 2),
        sum(sent_since), sum(replies_since)
    from fresh
    left join workspaces workspace on workspace.name = fresh.workspace_name
    group by 1, 2, 3
    having count(*) filter (where removed_at is null) > 0 or sum(sent_since) > 0
    on conflict (workspace_name, email_provider, snapshot_date) do update set
        total_accounts = excluded.total_accounts, connected_accounts = excluded.connected_accounts,
        total_sent = excluded.total_sent, total_replies = excluded.total_replies,
        reply_rate_percentage = excluded.reply_rate_percentage,
        sent_since = known.sent_since + excluded.sent_since, replies_since = known.replies_since + excluded.replies_since
    returning 1
)
select count(*)::integer as rows from day;

-- name: outreach_provider_drops
-- What the document's function finds; its limits are arguments there.
select * from check_provider_reply_rate_drop(:threshold, :days, :at_least) order by drop_percentage desc;

-- name: outreach_metric_drift
-- Counters of a month against the log that they are the sum of; none where they agree.
with logged as (
    select
        log.workspace_name,
        sum(amount) filter (where metric = 'emails_sent_mtd') as emails_sent_mtd,
        sum(amount) filter (where metric = 'positive_replies_mtd') as positive_replies_mtd,
        sum(amount) filter (where metric = 'replies_mtd') as replies_mtd,
        sum(amount) filter (where metric = 'bounced_mtd') as bounced_mtd,
        sum(amount) filter (where metric = 'unsubscribed_mtd') as unsubscribed_mtd
    from webhook_delivery_log log
    left join workspaces workspace on workspace.name = log.workspace_name
    where amount <> 0
        and occurred_at >= cast(:month as date)::timestamp at time zone coalesce(workspace.timezone, 'UTC')
        and occurred_at < (cast(:month as date) + interval '1 month') at time zone coalesce(workspace.timezone, 'UTC')
    group by 1
)
select
    coalesce(logged.workspace_name, counted.workspace_name) as workspace_name, each.metric,
    each.logged::integer as logged, each.counted::integer as counted
from logged
full join (select * from client_metrics where month = cast(:month as date)) counted
    on counted.workspace_name = logged.workspace_name
cross join lateral (
    values
        ('emails_sent_mtd', coalesce(logged.emails_sent_mtd, 0), coalesce(counted.emails_sent_mtd, 0)),
        ('positive_replies_mtd', coalesce(logged.positive_replies_mtd, 0), coalesce(counted.positive_replies_mtd, 0)),
        ('replies_mtd', coalesce(logged.replies_mtd, 0), coalesce(counted.replies_mtd, 0)),
        ('bounced_mtd', coalesce(logged.bounced_mtd, 0), coalesce(counted.bounced_mtd, 0)),
        ('unsubscribed_mtd', coalesce(logged.unsubscribed_mtd, 0), coalesce(counted.unsubscribed_mtd, 0))
) as each (metric, logged, counted)
where each.logged <> each.counted
order by 1, 2;

-- name: outreach_correct_metrics
-- By the difference and not to the value: what is counted meanwhile stays counted.
select count(*)::integer as corrected
from (
    select count_outreach(drift.workspace_name, drift.metric, drift.difference,
        (cast(:month as date) + 1)::timestamp at time zone 'UTC')
    from jsonb_to_recordset(:differences) as drift (workspace_name text, metric text, difference integer)
    order by drift.workspace_name, drift.metric
    offset 0
) done;

-- name: outreach_begin_settling
-- Notes the totals that are to be compared once every webhook up to now has had its time to arrive.
update sender_emails_cache
set
    settling = jsonb_build_object('emails_sent_mtd', emails_sent_count, 'replies_mtd', total_replied_count,
        'positive_replies_mtd', interested_leads_count, 'bounced_mtd', bounced_count, 'unsubscribed_mtd', unsubscribed_count,
        'workspace', workspace_name),
    settling_at = last_synced_at
where workspace_name = :workspace_name and settling is null and last_synced_at is distinct from settled_at;

-- name: outreach_settle
-- Totals of an account against what was counted of it; what is missing is filled in where `fills`, and tagged.
select account_id, metric, missing from settle_bison_accounts(:workspace_name, :settled_before, :fills);

-- name: outreach_deliveries_to_replay
-- Which deliveries a replay would take up; one that was redacted would be another event than it was.
select count(*)::integer as deliveries, count(*) filter (where applied_at is null)::integer as waiting
from webhook_inbox inbox
where source = 'bison' and redacted_at is null and body is not null and received_at >= :since
    and (cast(:workspace_name as text) is null or inbox.workspace_name = :workspace_name)
    and (not :failed_only or applied_at is null or error is not null)
    and (
        cast(:event_type as text) is null
        or exists (select from webhook_delivery_log log where log.inbox_id = inbox.id and log.event_type = :event_type)
    );

-- name: outreach_replay_page
-- The same deliveries, a page at a time.
select id, workspace_name, body, received_at, headers
from webhook_inbox inbox
where source = 'bison' and redacted_at is null and body is not null and received_at >= :since and id > :after
    and (cast(:workspace_name as text) is null or inbox.workspace_name = :workspace_name)
    and (not :failed_only or applied_at is null or error is not null)
    and (
        cast(:event_type as text) is null
        or exists (select from webhook_delivery_log log where log.inbox_id = inbox.id and log.event_type = :event_type)
    )
order by id
limit :at_most;

-- name: outreach_count_leads
-- Leads of somebody, by address, in whatever workspace.
select count(*)::integer as leads from client_leads where normalise_address(lead_email) = any (:addresses::text[]);

-- name: outreach_erase_leads
-- The lead goes; that an e-mail was sent and answered stays counted, without saying by whom.
with gone as (
    delete from client_leads
    where normalise_address(lead_email) = any (:addresses::text[])
    returning workspace_name, lead_id
),
unnamed as (
    update webhook_delivery_log log
    set lead_id = null
    from gone
    where log.workspace_name = gone.workspace_name and log.lead_id = gone.lead_id
)
select count(*)::integer as leads from gone;

-- name: outreach_leads_of
-- What outreach knows of the leads with an address, newest first.
select workspace_name, lead_id, lead_status, interested_at, replied_at, bounced_at, unsubscribed_at, campaign_name
from client_leads
where normalise_address(lead_email) = any (:addresses::text[])
order by updated_at desc
limit :at_most;

-- name: outreach_replies_of
-- When somebody wrote to a workspace; an operator who wants to read it looks into EmailBison.
select workspace.name as workspace_name, item.received_at, item.is_auto_reply
from inbox_items item
left join workspaces workspace on workspace.id = item.workspace_id
where item.source = 'bison' and normalise_address(item.from_address) = any (:addresses::text[])
order by item.received_at desc nulls last
limit :at_most;

-- name: platform_bookkeeping_exists
-- A database that nobody migrated yet has no table to read.
select to_regclass('supabase_migrations.schema_migrations') is not null as found;

-- name: platform_create_bookkeeping
-- The Supabase CLI's own table, with one column more: it notices no edited file by itself.
do $$
begin
    if to_regclass('supabase_migrations.schema_migrations') is null then
        create schema if not exists supabase_migrations;
        create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
    end if;
    alter table supabase_migrations.schema_migrations add column if not exists sha256 text;
end
$$;

-- name: platform_lock_migrations
-- One runner at a time; held until the transaction ends, so it is safe in every pool mode.
select pg_advisory_xact_lock(hashtext('crm-relay migrations'));

-- name: platform_applied_migrations
-- What is in place; sha256 is null for files that the Supabase CLI applied, whose table has no such column.
select version, to_jsonb(applied) ->> 'sha256' as sha256 from supabase_migrations.schema_migrations applied;

-- name: platform_record_migration
-- In the same transaction as the file itself; no row where another runner was quicker.
insert into supabase_migrations.schema_migrations (version, name, statements, sha256)
values (:version, :name, array[ :sql ], :sha256)
on conflict (version) do nothing
returning version;
