-- name: begin_run
-- The run's line, before anything is looked at.
insert into integrity_runs (ordered_by, is_full, is_fix, started_at)
values (:ordered_by, :is_full, :is_fix, :now)
returning id;

-- name: finish_run
-- What each check found and did.
update integrity_runs
set finished_at = :now, status = :status, counts = :counts, items_read = :items_read, error = :error
where id = :id;

-- name: left_out
-- Rows that are on their way to either side, or were written after the last mark that the edge has confirmed.
select id from edge_changes where entity = :entity
union
select id from edge_parked where entity = :entity
union
select id from edge_source where entity = :entity and updated_at > :mark and updated_at <= :now
limit :limit;

-- name: digests
-- The sum of content hashes of every bucket but for what is left out; the same sums are kept at the edge.
select bucket, sum(edge_hash(source.id, source.version, source.doc)) as total
from edge_source source
where entity = :entity
    and not exists (select from unnest(:left_out::uuid[]) as skipped (id) where skipped.id = source.id)
group by bucket;

-- name: bucket_rows
-- All rows of some buckets, without their content.
select id, version, edge_hash(id, version, doc) as content
from edge_source
where entity = :entity and bucket = any (:buckets::integer[]);

-- name: look_again
-- The same rows by number, and whether they have come to be on their way; what does not exist has no version.
select
    wanted.id, source.version, edge_hash(wanted.id, source.version, source.doc) as content,
    exists (select from edge_changes change where change.entity = :entity and change.id = wanted.id)
        or exists (select from edge_parked parked where parked.entity = :entity and parked.id = wanted.id) as is_on_its_way
from unnest(:ids::uuid[]) as wanted (id)
left join lateral (
    select version, doc from edge_source where entity = :entity and id = wanted.id offset 0
) source on true;

-- name: orphaned_emails
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
limit :limit;

-- name: long_parked
-- What one of the sides cannot take, each row once.
select
    entity, id, jsonb_object_agg(direction, reason) as reasons, min(parked_at) as parked_at, count(*) over () as total
from edge_parked
where parked_at < :before
group by entity, id
order by min(parked_at), entity, id
limit :limit;

-- name: misplaced_emails
-- E-mails of no organization, or of another one than their prospect's; and to which one each belongs, null where nothing says.
select
    email.id, coalesce(email.sync_version, 0) as version, email.org_id is null as is_nobodys,
    email.org_id = default_org_id() as is_by_default, count(*) over () as total,
    email_organization(email.prospect_id, email.campaign_id, email.direction, email.from_email, email.to_email) as org_id
from emails email
left join prospects prospect on prospect.id = email.prospect_id
where email.org_id is null or email.org_id <> prospect.org_id
order by email.id
limit :limit;

-- name: duplicate_emails
-- E-mails that have their message_id from an earlier one, with that one and what is to be merged into it.
-- What one organization sent to another has one message_id in both, and what went out and came in again has it twice: these
-- are different e-mails.
with grouped as (
    select
        message_id, org_id, direction, (array_agg(id order by created_at, id))[1] as kept_id,
        min(sent_at) as sent_at, min(opened_at) as opened_at, min(clicked_at) as clicked_at, min(replied_at) as replied_at,
        min(bounced_at) as bounced_at
    from emails
    where message_id <> '' and duplicate_of is null
    group by message_id, org_id, direction
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
    and email.org_id is not distinct from grouped.org_id and email.direction is not distinct from grouped.direction
order by grouped.kept_id, email.id
limit :limit;

-- name: suspicious_emails
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
            where inbound.direction = 'inbound' and inbound.org_id is not distinct from email.org_id
                and normalise_address(inbound.from_email) = normalise_address(email.to_email)
        ) or exists (
            select from inbox_items received
            where received.org_id is not distinct from email.org_id
                and normalise_address(received.from_address) = normalise_address(email.to_email)
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
limit :limit;

-- name: stray_statuses
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
limit :limit;

-- name: suspicious_enrollments
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
            -- What is on its way brings the next time with it.
            and not exists (
                select from campaign_sequence_logs line
                where line.enrollment_id = campaign_enrollments.id and line.status = 'pending'
            )
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
    ) as logged_step,
    exists (
        select from campaign_sequence_logs line where line.enrollment_id = enrollment.id and line.status = 'pending'
    ) as has_pending
from suspicious
cross join lateral (select * from campaign_enrollments where id = suspicious.id offset 0) enrollment
join campaign on campaign.id = enrollment.campaign_id
order by enrollment.id
limit :limit;

-- name: unbalanced_steps
-- Steps that more or fewer people came to than there are lines of.
select
    sequence_id, campaign_id, step_number, reached, sent, skipped, failed, pending, stopped, count(*) over () as total
from campaign_step_accounting
where not holds
order by sequence_id
limit :limit;

-- name: total_drift
-- Totals of campaigns that their rows contradict: what was sent stands in the log and its archive.
-- Who was deleted after the end has completed it all the same, and left lines in the archive alone.
select campaign.id as campaign_id, told.total, told.counted, told.logged
from campaigns campaign
-- With what waits to be added.
join campaign_totals totals on totals.campaign_id = campaign.id
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
    select case when totals.total_completed > rows.completed then (
        select count(distinct line.enrollment_id)
        from campaign_sequences step
        join campaign_sequence_logs_archive line on line.sequence_id = step.id
        where step.campaign_id = campaign.id
            and not exists (select from campaign_enrollments known where known.id = line.enrollment_id)
    ) else 0 end as enrollments
) deleted
cross join lateral (
    values
        ('total_active', totals.total_active::bigint, rows.active),
        ('total_completed', totals.total_completed, greatest(
            rows.completed, least(totals.total_completed, rows.completed + deleted.enrollments)
        )),
        ('total_sent', totals.total_sent, rows.sent)
) told (total, counted, logged)
where told.counted <> told.logged
    -- Campaigns of others keep totals of their own.
    and campaign.source = 'native' and exists (select from campaign_sequences step where step.campaign_id = campaign.id)
order by campaign.id, told.total;

-- name: correct_totals
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

-- name: forgotten_tasks
-- Failed tasks that nobody has replayed in time.
select id, source, count(*) over () as total
from failed_tasks
where replayed_at is null and failed_at < :before
order by id
limit :limit;

-- name: contradicting_notifications
-- Deliveries whose mail is settled while they are not, digests that left without a member or count others, and what is shown.
with wrong as (
    select
        'notification_deliveries' as entity, delivery.id, 'its mail is settled, and it is not' as what, delivery.state,
        mail.status as other
    from notification_deliveries delivery
    left join notification_digests digest on digest.id = delivery.digest_id
    join email_sends mail on mail.id = coalesce(digest.send_id, delivery.send_id)
    where delivery.state in ('queued', 'sending') and delivery.updated_at < :settled_before
        and mail.status not in ('queued', 'sending')
    union all
    select 'notification_deliveries', delivery.id, 'a member of a digest that is closed', delivery.state, digest.state
    from notification_deliveries delivery
    join notification_digests digest on digest.id = delivery.digest_id
    where delivery.state = 'digest' and digest.state <> 'open' and delivery.updated_at < :settled_before
    union all
    select 'notification_digests', digest.id, 'more members than lines', digest.state, members.count || ' of ' || digest.lines
    from notification_digests digest
    cross join lateral (
        select count(*) from notification_deliveries member where member.digest_id = digest.id and member.state <> 'digest'
    ) members
    where digest.lines is not null and digest.updated_at < :settled_before and members.count > digest.lines
        and digest.left_at > cast(:settled_before as timestamptz) - interval '7 days'
    union all
    select
        'notification_deliveries', delivery.id, 'the notification shows another state', delivery.state,
        notification.delivery_status ->> delivery.channel
    from notification_deliveries delivery
    join notifications notification on notification.id = delivery.notification_id
    where delivery.state in ('sent', 'dry_run', 'skipped', 'failed', 'unknown')
        and delivery.updated_at < :settled_before
        and delivery.updated_at > cast(:settled_before as timestamptz) - interval '7 days'
        and notification.delivery_status ->> delivery.channel is distinct from delivery.state
    union all
    select
        'notification_deliveries', delivery.id, 'the message that it shares has ended, and it has not', delivery.state, post.state
    from notification_deliveries delivery
    join notification_posts post on post.id = delivery.post_id
    where delivery.channel = 'slack' and delivery.state = 'queued' and delivery.not_before is null and post.state <> 'open'
        and post.updated_at < :settled_before
    union all
    select 'notifications', notification.id, 'a notification without a delivery', 'none', notification.template_slug
    from notifications notification
    where notification.group_count is not null and notification.created_at < :settled_before
        and notification.created_at > cast(:settled_before as timestamptz) - interval '7 days'
        and not exists (select from notification_deliveries delivery where delivery.notification_id = notification.id)
)
select wrong.*, count(*) over () as total
from wrong
order by entity, id, what
limit :limit;

-- name: reverted_rows
-- What somebody took back within the last month: it is not done again unasked.
select distinct entity, row_id
from integrity_fixes
where check_name = :check_name and reverted_at > cast(:now as timestamptz) - interval '30 days';

-- name: keep_findings
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

-- name: ask
-- Too much at once: a person decides.
update integrity_findings set status = 'needs_approval' where id = any (:ids::bigint[]) and status = 'open';

-- name: asking
-- Checks that wait for somebody's word.
select check_name, count(*)::integer as rows
from integrity_findings
where status = 'needs_approval'
group by check_name
order by check_name;

-- name: leave_time
-- For the rest of the transaction: a mark on a row says nothing about when it was written.
select set_config('app.edge_sync', 'quiet', true) as setting;

-- name: fix_emails
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
        org_id = (next.email).org_id, status = (next.email).status, sent_at = (next.email).sent_at, opened_at = (next.email).opened_at,
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

-- name: drop_statuses
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

-- name: stranded_lines
-- Lines that wait for a message which is not on its way any more: whoever had to record its fate could not.
select
    line.id, line.enrollment_id, line.sequence_id, line.channel, message.id as message_id, message.status, message.reason,
    count(*) over ()::integer as total
from campaign_sequences step
join campaign_sequence_logs line on line.sequence_id = step.id and line.status = 'pending'
left join lateral (
    select id, status, reason
    from email_sends
    where line.channel = 'email' and enrollment_id = line.enrollment_id and sequence_id = line.sequence_id
    union all
    select id, status, reason
    from sms_sends
    where line.channel = 'sms' and enrollment_id = line.enrollment_id and sequence_id = line.sequence_id
    limit 1
) message on true
where step.channel in ('email', 'sms') and line.channel in ('email', 'sms') and line.updated_at < :settled_before
    and (message.status is null or message.status not in ('queued', 'sending'))
order by line.id
limit :limit;

-- name: lock_lines
-- Whose lines these are, by id: their sequences go on by what is recorded.
select id
from campaign_enrollments
where id in (select enrollment_id from campaign_sequence_logs where id = any (cast(:ids as uuid[])))
order by id
for no key update;

-- name: lines
-- These lines, and where their sequences stand.
select
    line.id,
    jsonb_build_object(
        'line', jsonb_build_object('status', line.status, 'reason', line.reason, 'sent_at', line.sent_at),
        'enrollment', jsonb_build_object(
            'status', known.status, 'next_step_at', known.next_step_at, 'due_at', known.due_at, 'held_for', known.held_for,
            'emails_sent', known.emails_sent, 'sms_sent', known.sms_sent, 'last_step_at', known.last_step_at,
            'error_count', known.error_count, 'last_error', known.last_error, 'last_error_at', known.last_error_at,
            'stopped_reason', known.stopped_reason, 'completed_at', known.completed_at
        )
    ) as state
from campaign_sequence_logs line
join campaign_enrollments known on known.id = line.enrollment_id
where line.id = any (cast(:ids as uuid[]))
order by line.id;

-- name: fix_enrollments
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

-- name: touch
-- New versions for rows that have to reach the edge anew; that they changed is noted with them.
select id, version from edge_touch(:entity, :ids::uuid[]);

-- name: note_deletions
-- For what PostgreSQL does not have: a tombstone goes to the edge, by this run or by the next replication.
insert into edge_changes (entity, id, version, is_deleted)
select :entity, id, nextval('edge_versions'), true
from unnest(:ids::uuid[]) as gone (id)
returning id, version;

-- name: log_fixes
-- Before anything is written to the edge.
insert into integrity_fixes (run_id, finding_id, check_name, entity, row_id, action, before, after, fixed_at, fixed_by)
select :run_id, finding_id, :check_name, entity, row_id, action, before, after, :now, :who
from jsonb_to_recordset(:fixes) as fix (
    finding_id bigint, entity text, row_id text, action text, before jsonb, after jsonb
)
returning id, finding_id, row_id;

-- name: confirm_fixes
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

-- name: fixes_to_revert
-- One fix, or all of a run: the latest of each row that was not taken back yet.
select distinct on (check_name, entity, row_id)
    id, check_name, entity, row_id, action, before::text as before, after::text as after
from integrity_fixes
where (id = :fix_id or run_id = :run_id) and reverted_at is null and not id = any (:tried::bigint[])
order by check_name, entity, row_id, id desc;

-- name: undo_emails
-- Only where the columns are as the fix left them; whoever changed them since knows better.
with fix as materialized (
    select id, row_id::uuid as email_id, before, after from integrity_fixes where id = any (:ids::bigint[]) and reverted_at is null
),
put_back as (
    update emails known
    set
        prospect_id = (next.email).prospect_id, orphaned = (next.email).orphaned, duplicate_of = (next.email).duplicate_of,
        org_id = (next.email).org_id, status = (next.email).status, sent_at = (next.email).sent_at, opened_at = (next.email).opened_at,
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

-- name: undo_statuses
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

-- name: undo_enrollments
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

-- name: undo_lines
-- Only where line and sequence still are as the fix left them.
with fix as materialized (
    select id, row_id::uuid as line_id, before, after
    from integrity_fixes
    where id = any (:ids::bigint[]) and reverted_at is null
),
enrolled as (
    update campaign_enrollments known
    set
        status = (next.enrollment).status, next_step_at = (next.enrollment).next_step_at, due_at = (next.enrollment).due_at,
        held_for = (next.enrollment).held_for, emails_sent = (next.enrollment).emails_sent, sms_sent = (next.enrollment).sms_sent,
        last_step_at = (next.enrollment).last_step_at, error_count = (next.enrollment).error_count,
        last_error = (next.enrollment).last_error, last_error_at = (next.enrollment).last_error_at,
        stopped_reason = (next.enrollment).stopped_reason, completed_at = (next.enrollment).completed_at
    from (
        select fix.line_id, present.id, jsonb_populate_record(present, fix.before -> 'enrollment') as enrollment
        from fix
        join campaign_sequence_logs line on line.id = fix.line_id
            and jsonb_populate_record(line, fix.after -> 'line') is not distinct from line
        join campaign_enrollments present on present.id = line.enrollment_id
            and jsonb_populate_record(present, fix.after -> 'enrollment') is not distinct from present
    ) next
    where known.id = next.id
    returning next.line_id
),
put_back as (
    update campaign_sequence_logs line
    set status = 'pending', reason = (fix.before -> 'line') ->> 'reason', sent_at = null
    from fix
    join enrolled on enrolled.line_id = fix.line_id
    where line.id = fix.line_id
    returning line.id
)
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id in (select fix.id from fix join put_back on put_back.id = fix.line_id)
returning id;

-- name: mark_reverted
-- What was put back at the edge.
update integrity_fixes
set reverted_at = :now, reverted_by = :who
where id = any (:ids::bigint[]) and reverted_at is null
returning id;

-- name: forget_old
-- Three months are enough to look back; what still stands is kept.
with fixes as (
    delete from integrity_fixes where fixed_at < :before
),
findings as (
    delete from integrity_findings where closed_at < :before
)
delete from integrity_runs where started_at < :before;

-- name: last_runs
-- What each of the latest runs found and did.
select id, ordered_by, is_full, is_fix, started_at, finished_at, status, counts::text as counts, items_read, error
from integrity_runs
order by id desc
limit :limit;

-- name: standing_findings
-- What is wrong by now, the latest first.
select id, run_id, check_name, entity, row_id, what, details::text as details, status, found_at, seen_at
from integrity_findings
where status in ('open', 'needs_approval', 'parked')
order by id desc
limit :limit;

-- name: last_fixes
-- What was changed, the latest first; not to what.
select id, run_id, check_name, entity, row_id, action, fixed_at, fixed_by, applied_at, reverted_at, reverted_by
from integrity_fixes
order by id desc
limit :limit;

-- name: erase_fixes
-- Copies of items that name the person; such a fix cannot be taken back any more.
update integrity_fixes
set before = '{"erased": true}'
where exists (select from unnest(:marks::text[]) as mark where position(lower(mark) in lower(before::text)) > 0)
returning id;

-- name: count_fixes
-- What erase_fixes would empty.
select count(*)::integer as fixes
from integrity_fixes
where exists (select from unnest(:marks::text[]) as mark where position(lower(mark) in lower(before::text)) > 0);

-- name: differing_unread_counts
-- People to whom the application shows another number of unread notifications than there are, among those with recent ones.
with people as materialized (
    select distinct user_id from notifications where created_at > :since
),
counted as (
    select
        people.user_id,
        -- Asked as each of them; the argument is null, and sets who asks.
        unread_notification_count(nullif(set_config('app.user_id', people.user_id::text, true), people.user_id::text)) as shown,
        (
            select count(*)
            from notifications unread
            where unread.user_id = people.user_id and unread.read_at is null and unread.archived_at is null
                and (unread.expires_at is null or unread.expires_at > now())
        )::integer as unread
    from people
)
select user_id, shown, unread, count(*) over () as total
from counted
where shown is distinct from unread
order by user_id
limit :limit;
