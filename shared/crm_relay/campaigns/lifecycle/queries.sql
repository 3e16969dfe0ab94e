-- name: campaigns_called
-- An operator names a campaign by its id or by its name; two with one name are told apart by id only.
select id from campaigns
where id = cast(:id as uuid) or (cast(:id as uuid) is null and name = :name and source = 'native')
order by id
limit 2;

-- name: references_of
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

-- name: insert_campaign
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

-- name: present_definition
-- The campaign as its file would have it, for an edit.
select
    jsonb_build_object(
        'name', campaign.name, 'description', campaign.description,
        'window', jsonb_build_object(
            'days', campaign.send_days, 'start', to_char(campaign.send_window_start, 'HH24:MI'),
            'end', to_char(campaign.send_window_end, 'HH24:MI')
        ),
        'zone', campaign.timezone, 'use_recipient_timezone', campaign.use_recipient_timezone, 'topic', campaign.topic,
        'late_policy', campaign.late_policy, 'late_minutes', campaign.late_minutes,
        'stop_company_on_reply', campaign.stop_company_on_reply,
        'identity', (
            select jsonb_build_object(
                'from_address', sender.from_address, 'from_name', sender.from_name, 'reply_to', sender.reply_to,
                'inbound_domain', sender.inbound_domain
            )
            from email_identities sender
            where sender.id = campaign.identity_id
        ),
        'steps', coalesce(jsonb_agg(
            jsonb_build_object(
                'channel', step.channel,
                'delay', jsonb_build_object('days', step.delay_days, 'hours', step.delay_hours, 'minutes', step.delay_minutes),
                'subject', step.subject, 'body_html', step.body_html, 'body_text', step.body_text, 'template', template.slug,
                'variants', coalesce(step.ab_variants, '[]'), 'ab_test', step.ab_test, 'skip_conditions', step.skip_conditions,
                'stop_on_reply', step.stop_on_reply, 'task', step.task_config, 'active', step.is_active
            )
            order by step.step_number
        ) filter (where step.id is not null), '[]')
    ) as definition,
    coalesce(jsonb_object_agg(step.step_number, step.reached) filter (where step.id is not null), '{}') as reached
from campaigns campaign
left join campaign_sequences step on step.campaign_id = campaign.id
left join email_templates template on template.id = step.template_id
where campaign.id = :id and campaign.source = 'native'
group by campaign.id;

-- name: update_campaign
-- A step keeps its row, and with it its log: it is known by its number. Steps beyond the last go, which only a draft allows.
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
changed as (
    update campaigns campaign
    set
        name = given.name, description = given.description, send_days = given.send_days,
        send_window_start = given.send_window_start, send_window_end = given.send_window_end, timezone = given.timezone,
        use_recipient_timezone = given.use_recipient_timezone, topic = given.topic, late_policy = given.late_policy,
        late_minutes = given.late_minutes, stop_company_on_reply = given.stop_company_on_reply,
        identity_id = coalesce(cast(:identity_id as uuid), (select id from sender)), updated_at = :now
    from given
    where campaign.id = :id
    returning campaign.id, campaign.org_id
),
wanted as (
    select *
    from jsonb_to_recordset(:steps) as step (
        step_number integer, channel text, delay_days integer, delay_hours integer, delay_minutes integer, template_id uuid,
        subject text, body_html text, body_text text, task_config jsonb, skip_conditions jsonb, stop_on_reply boolean,
        ab_variants jsonb, ab_test jsonb, is_active boolean
    )
),
steps as (
    insert into campaign_sequences as known (
        campaign_id, step_number, channel, delay_days, delay_hours, delay_minutes, template_id, subject, body_html, body_text,
        task_config, skip_conditions, stop_on_reply, ab_variants, ab_test, is_active
    )
    select
        cast(:id as uuid), step_number, channel, delay_days, delay_hours, delay_minutes, template_id, subject, body_html,
        body_text, task_config, skip_conditions, stop_on_reply, ab_variants, ab_test, is_active
    from wanted
    order by step_number
    on conflict (campaign_id, step_number) do update
    set
        channel = excluded.channel, delay_days = excluded.delay_days, delay_hours = excluded.delay_hours,
        delay_minutes = excluded.delay_minutes, template_id = excluded.template_id, subject = excluded.subject,
        body_html = excluded.body_html, body_text = excluded.body_text, task_config = excluded.task_config,
        skip_conditions = excluded.skip_conditions, stop_on_reply = excluded.stop_on_reply,
        ab_variants = excluded.ab_variants, ab_test = excluded.ab_test, is_active = excluded.is_active, updated_at = :now
    returning 1
),
removed as (
    delete from campaign_sequences
    where campaign_id = :id and step_number > (select max(step_number) from wanted) and reached = 0
)
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign', id, 'edited', :now, cast(:about as jsonb) || jsonb_build_object('by', cast(:who as text))
from changed;

-- name: lock_mails_of_campaign
-- What is queued in a campaign, locked by id before anyone who is enrolled; only the number is answered.
select count(*)::integer as mails
from (
    select mail.id
    from campaign_sequences step
    join campaign_sequence_logs line on line.sequence_id = step.id and line.status = 'pending'
    join email_sends mail on mail.enrollment_id = line.enrollment_id and mail.sequence_id = line.sequence_id
    where step.campaign_id = :id and mail.status = 'queued'
    order by mail.id
    for no key update of mail
) locked;

-- name: lock_enrollments_of_campaign
-- Everybody whose sequence goes on, locked by id.
select count(*)::integer as people
from (
    select id
    from campaign_enrollments
    where campaign_id = :id and status = any (cast(:running as text[]))
    order by id
    for no key update
) locked;

-- name: statuses_of_campaign
-- Where its people stand, behind the locks.
select status, count(*)::integer as people from campaign_enrollments where campaign_id = :id group by status;

-- name: end_campaign
-- The sequence of everybody with one of these statuses ends: what is decided for one of them holds for a million.
update campaign_enrollments enrollment
set
    status = ended.status, next_step_at = null, held_for = null, stopped_reason = ended.stopped_reason, updated_at = :now
from :ended as ended (before text, status text, stopped_reason text)
where enrollment.campaign_id = :id and enrollment.status = ended.before;

-- name: take_back_campaign
-- What is queued in a campaign and was never tried, and the lines of its steps; what has begun to leave stays.
with waiting as materialized (
    select line.id, line.enrollment_id, line.sequence_id
    from campaign_sequences step
    join campaign_sequence_logs line on line.sequence_id = step.id and line.status = 'pending'
    where step.campaign_id = :id
),
mails as (
    update email_sends mail
    set status = 'refused', reason = :reason, payload = null, position = null, updated_at = now()
    from (
        select queued.id, waiting.id as line_id
        from waiting
        join email_sends queued on queued.enrollment_id = waiting.enrollment_id and queued.sequence_id = waiting.sequence_id
        where queued.status = 'queued'
        for no key update of queued skip locked
    ) theirs
    where mail.id = theirs.id
    returning theirs.line_id
),
texts as (
    update sms_sends message
    set status = 'refused', reason = :reason, updated_at = :now
    from (
        select queued.id, waiting.id as line_id
        from waiting
        join sms_sends queued on queued.enrollment_id = waiting.enrollment_id and queued.sequence_id = waiting.sequence_id
        where queued.status = 'queued' and queued.attempts = 0
        for no key update of queued skip locked
    ) theirs
    where message.id = theirs.id
    returning theirs.line_id
)
update campaign_sequence_logs line
set status = 'stopped', reason = :reason, updated_at = :now
from (select line_id from mails union all select line_id from texts) taken
where line.id = taken.line_id;

-- name: count_on_their_way
-- Who may still be written to by this campaign.
select count(*)::integer as people
from campaign_enrollments enrollment
where enrollment.campaign_id = :id
    and (
        enrollment.status in ('active', 'engaged', 'paused')
        or exists (
            select from campaign_sequence_logs line where line.enrollment_id = enrollment.id and line.status = 'pending'
        )
    );

-- name: note_enrollment_change
-- Who changed one person's place in a campaign, and how.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
values (
    :org_id, 'campaign_enrollment', :id, :change, :now, cast(:about as jsonb) || jsonb_build_object('by', cast(:who as text))
);

-- name: lock_campaign
-- Anyone who changes a campaign's state, or who is in it, does so one after the other.
select id, coalesce(org_id, default_org_id()) as org_id, name, status, source from campaigns where id = :id for no key update;

-- name: campaign_defined
-- A campaign as the engine reads it, with what decides whether it may begin.
select status, source, campaign_document(id) as document from campaigns where id = :id;

-- name: zones_without_a_time
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

-- name: take_time
-- A million enrollments take longer to schedule than any other statement may, and less where a join keeps their order.
select set_config('statement_timeout', :milliseconds, true), set_config('work_mem', '128MB', true);

-- name: schedule_first_step
-- Everybody who is enrolled and has no time yet gets that of their zone, a million in one statement.
with due as (
    select * from jsonb_to_recordset(:dues) as due (zone text, at timestamptz)
),
waiting as materialized (
    -- By id, as a batch of events locks anyone who leaves.
    select id, contact_id
    from campaign_enrollments
    where campaign_id = :campaign_id and next_step_at is null and current_step = 0 and status in ('active', 'engaged')
    order by id
    for no key update
),
scheduled as (
    update campaign_enrollments enrollment
    set next_step_at = due.at, held_for = null, updated_at = :now
    from waiting
    join contacts contact on contact.id = waiting.contact_id
    cross join due
    where enrollment.id = waiting.id
        and due.zone = case when cast(:by_recipient as boolean) then coalesce(contact.timezone, '') else '' end
    returning 1
)
select count(*)::integer as scheduled from scheduled;

-- name: change_status
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

-- name: people_of_account
-- A company's contacts, a page at a time.
select contact.id
from contacts contact
where contact.account_id = :account_id and (cast(:after as uuid) is null or contact.id > cast(:after as uuid))
order by contact.id
limit :page_size;

-- name: organization_of_account
-- An account belongs to one organization; a campaign of another has no business with it.
select org_id from accounts where id = :id and deleted_at is null;

-- name: enroll
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
    left join lateral recipient_suppression(owner.org_id, 'email', found.address, found.id) as consent on found.address is not null
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
    (select status from owner) as status,
    coalesce(array_agg(chosen.place order by chosen.place) filter (where chosen.left_out = 'unknown'), '{}') as unknown
from chosen
left join enrolled on enrolled.contact_id = chosen.id and chosen.left_out is null
group by 1, 2
order by 1, 2;

-- name: schedule_enrolled
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

-- name: note_enrolled
-- How many were enrolled, by whom and why the others were not: one line however many batches it took.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign', id, 'enrolled', :now, cast(:counts as jsonb) || jsonb_build_object('by', cast(:who as text))
from campaigns
where id = :campaign_id;

-- name: note_change
-- Who did something to a campaign that stays as it is.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
select org_id, 'campaign', id, :change, :now, cast(:about as jsonb) || jsonb_build_object('by', cast(:who as text))
from campaigns
where id = :campaign_id;

-- name: lock_enrollment
-- Before anything of it is read: anyone who records the fate of a step at this moment comes first.
select id from campaign_enrollments where id = :id for no key update;

-- name: enrollment
-- One person's place in a campaign, behind its lock.
select
    enrollment.id, enrollment.org_id, enrollment.campaign_id, enrollment.status, enrollment.current_step,
    enrollment.next_step_at, enrollment.engagement_score, contact.timezone, campaign.status as campaign_status,
    exists (
        select from campaign_sequence_logs line where line.enrollment_id = enrollment.id and line.status = 'pending'
    ) as has_pending
from campaign_enrollments enrollment
join campaigns campaign on campaign.id = enrollment.campaign_id
join contacts contact on contact.id = enrollment.contact_id
where enrollment.id = :id;

-- name: change_enrollment
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

-- name: campaigns
-- Native campaigns with the counters that the engine keeps; those that run come first.
select
    campaign.id, campaign.name, campaign.status, campaign.topic, campaign.timezone, totals.total_active, totals.total_sent,
    totals.total_completed, campaign.created_at, campaign.activated_at, campaign.paused_at,
    (select count(*) from campaign_sequences step where step.campaign_id = campaign.id and step.is_active)::integer as steps
from campaigns campaign
join campaign_totals totals on totals.campaign_id = campaign.id
where campaign.source = 'native' and (cast(:status as text) is null or campaign.status = cast(:status as text))
    and (cast(:id as uuid) is null or campaign.id = cast(:id as uuid))
    -- Put away: shown where it is asked for.
    and (campaign.status <> 'archived' or cast(:status as text) = 'archived' or cast(:id as uuid) is not null)
order by campaign.status <> 'active', coalesce(campaign.activated_at, campaign.created_at) desc, campaign.id
limit :limit offset :offset;

-- name: funnels
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
    where send.sequence_id = accounting.sequence_id and (send.human_opens > 0 or send.human_clicks > 0)
) mail on accounting.channel = 'email'
left join (
    select campaign_id, current_step, count(*) as replied
    from campaign_enrollments
    where campaign_id = any (cast(:campaign_ids as uuid[])) and replied_at is not null
    group by campaign_id, current_step
) answer on answer.campaign_id = accounting.campaign_id and answer.current_step = accounting.step_number
where accounting.campaign_id = any (cast(:campaign_ids as uuid[]))
order by accounting.campaign_id, accounting.step_number;

-- name: held_steps
-- People of a campaign whose next step was moved, by the reason; and whose step is due while sending is stopped, or in dry-run.
select waiting.held_for, count(*)::integer as number, max(waiting.until) as until
from campaigns campaign
cross join lateral (
    select case
        when campaign.status <> 'active' then null
        when is_sending_stopped(coalesce(campaign.org_id, default_org_id()), 'campaign') then 'stopped_by_operator'
        when exists (select from send_modes where purpose = 'campaign' and mode = 'dry-run') then 'dry_run'
    end as reason
) brake
cross join lateral (
    select
        case when next_step_at <= :now then coalesce(brake.reason, held_for) else held_for end as held_for,
        case when brake.reason is null or next_step_at > :now then next_step_at end as until
    from campaign_enrollments
    where campaign_id = campaign.id and next_step_at is not null and status in ('active', 'engaged')
        and (held_for is not null or (brake.reason is not null and next_step_at <= :now))
) waiting
where campaign.id = :campaign_id
group by waiting.held_for
order by waiting.held_for;

-- name: organization_of_campaign
-- Whose campaign it is.
select coalesce(org_id, default_org_id()) as org_id from campaigns where id = :campaign_id;

-- name: people_by_status
-- Where everybody of one campaign is by now.
select status, count(*)::integer as people from campaign_enrollments where campaign_id = :campaign_id group by status order by status;

-- name: history_of_campaign
-- Who did what with it, the latest first; counts, never people.
select change_type as change, changed_at as at, metadata ->> 'by' as by, metadata - 'by' as about
from entity_history
where entity_type = 'campaign' and entity_id = :campaign_id
order by changed_at desc, id
limit :limit;

-- name: addresses_of
-- What these contacts are called in a list for an operator.
select id, email from contacts where id = any (:ids::uuid[]);

-- name: contacts_called
-- Whom an operator means by an address.
select contact.id
from contacts contact
join campaign_enrollments enrollment on enrollment.contact_id = contact.id and enrollment.campaign_id = :campaign_id
where normalise_address(contact.email) = normalise_address(:address)
order by contact.id;
