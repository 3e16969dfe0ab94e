-- Why mail waits and until when, when it left, and when a step was first due.
set local lock_timeout = '5s';

alter table email_sends add column if not exists held_for text;
alter table email_sends add column if not exists held_until timestamptz;
alter table email_sends add column if not exists left_at timestamptz;
alter table sms_sends add column if not exists held_for text;
alter table sms_sends add column if not exists held_until timestamptz;
alter table email_batches add column if not exists left_at timestamptz;
alter table email_batches add column if not exists leaving integer not null default 0;
alter table email_batches add column if not exists attempted_at timestamptz;
alter table email_batches add column if not exists last_attempt_at timestamptz;
alter table campaign_enrollments add column if not exists due_at timestamptz;

comment on column email_sends.held_for is 'Why it waits, a word of the table in docs/campaigns.md; null once it left or its fate is known.';
comment on column email_sends.held_until is 'When every question is asked again; null where it does not wait.';
comment on column email_sends.left_at is 'When the request that carried it began; null where it surely did not leave. Frequency caps count by it.';
comment on column sms_sends.held_for is 'As email_sends.held_for.';
comment on column sms_sends.held_until is 'As email_sends.held_until.';
comment on column email_batches.left_at is 'When its request began; the limit per minute counts by it.';
comment on column email_batches.leaving is 'How many mails the request carries; 0 where it surely carried none.';
comment on column email_batches.last_attempt_at is 'When the latest request of this generation began.';
comment on column email_batches.attempted_at is 'The first attempt by the database''s clock: the provider forgets a key after a day.';
comment on column campaign_enrollments.due_at is
    'When the next step was first due, where it was moved since; lateness is measured from it. Null: next_step_at says so.';

-- A step's mail is part of it: while it is on its way, the next step is not due, and the sequence is not complete.
create or replace function settle_campaign_mail(settled jsonb, at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed integer;
begin
    -- Removed in the next release: the version before decides here, the present one in Python (campaigns/engine/settle.py).
    perform from campaign_enrollments
    where id in (select enrollment_id from jsonb_to_recordset(settled) as given (enrollment_id uuid))
    order by id for no key update;
    with given as materialized (
        select * from jsonb_to_recordset(settled) as given (
            enrollment_id uuid, sequence_id uuid, line text, reason text, is_error boolean, ends_as text
        )
    ),
    line as (
        update campaign_sequence_logs known
        set
            status = given.line, reason = given.reason, updated_at = at,
            sent_at = case given.line when 'sent' then at else known.sent_at end
        from given
        where known.enrollment_id = given.enrollment_id
            and known.sequence_id = given.sequence_id
            and (known.status = 'pending' or known.status = 'failed' and known.reason = 'unknown' and given.line = 'sent')
        returning known.enrollment_id, known.sequence_id, known.step_number, known.channel, given.line, given.reason, given.is_error,
            given.ends_as
    ),
    outcome as materialized (
        select
            enrollment_id,
            count(*) filter (where line.line = 'sent' and channel = 'email')::integer as mails,
            count(*) filter (where line.line = 'sent' and channel = 'sms')::integer as texts,
            count(*) filter (where is_error)::integer as errors,
            max(reason) filter (where is_error) as error,
            max(ends_as) as ends_as,
            max(reason) filter (where ends_as is not null) as why,
            max(step_number) as step_number,
            count(*)::integer as lines
        from line
        group by enrollment_id
    ),
    following as (
        select outcome.enrollment_id, step.*
        from outcome
        join campaign_enrollments enrollment on enrollment.id = outcome.enrollment_id
        left join lateral (
            select make_interval(days => delay_days, hours => delay_hours, mins => delay_minutes) as delay
            from campaign_sequences
            where campaign_id = enrollment.campaign_id and is_active and step_number > enrollment.current_step
            order by step_number
            limit 1
        ) step on true
        -- An old unclear mail that proves to have been sent moves nothing.
        where enrollment.next_step_at is null and outcome.step_number = enrollment.current_step
            and enrollment.status in ('active', 'engaged', 'paused')
    ),
    enrolled as (
        update campaign_enrollments enrollment
        set
            emails_sent = enrollment.emails_sent + outcome.mails,
            sms_sent = enrollment.sms_sent + outcome.texts,
            last_step_at = case when outcome.mails + outcome.texts > 0 then at else enrollment.last_step_at end,
            error_count = enrollment.error_count + outcome.errors,
            last_error = coalesce(outcome.error, enrollment.last_error),
            last_error_at = case when outcome.errors > 0 then at else enrollment.last_error_at end,
            status = case
                when enrollment.status not in ('active', 'engaged', 'paused') then enrollment.status
                when outcome.ends_as is not null then outcome.ends_as
                when outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3 then 'paused'
                when following.enrollment_id is not null and following.delay is null and enrollment.status <> 'paused' then 'completed'
                else enrollment.status
            end,
            completed_at = case
                when following.enrollment_id is not null and following.delay is null and enrollment.status <> 'paused'
                    and outcome.ends_as is null and not (outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3) then at
                else enrollment.completed_at
            end,
            next_step_at = case
                when outcome.ends_as is not null then null
                when outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3 then null
                else coalesce(at + following.delay, enrollment.next_step_at)
            end,
            stopped_reason = case
                when enrollment.status in ('active', 'engaged', 'paused') then coalesce(outcome.why, enrollment.stopped_reason)
                else enrollment.stopped_reason
            end,
            updated_at = at
        from outcome
        left join following on following.enrollment_id = outcome.enrollment_id
        where enrollment.id = outcome.enrollment_id
    )
    select coalesce(sum(lines), 0) into changed from outcome;
    return changed;
end
$$;

-- Steps that were on their way when this rule began.
update campaign_enrollments enrollment
set next_step_at = null, due_at = null
from campaign_sequence_logs line
where line.enrollment_id = enrollment.id and line.status = 'pending' and line.step_number = enrollment.current_step
    and enrollment.status in ('active', 'engaged', 'paused') and enrollment.next_step_at is not null;

-- EMAIL_FROM is the sender of organizations that have no identity; its health is watched like that of any other.
create table if not exists own_sender (
    only_one boolean primary key default true check (only_one),
    paused_at timestamptz,
    paused_reason text,
    resumed_at timestamptz
);
select secure_table('own_sender');
comment on table own_sender is 'Whether mail in the name of EMAIL_FROM is paused, as email_identities say it of theirs; at most one row.';

-- The limit per minute counts what left an organization in the last one.
create index if not exists idx_email_batches_left on email_batches (org_id, left_at) where leaving > 0;

-- How many mails an organization may still send in this minute (null: no limit), and when one more has room.
create or replace function email_room(wanted_org uuid, at timestamptz) returns table (mails integer, frees_at timestamptz)
language sql stable
as $$
    select
        case when limits.org_id is null then 100 else limits.emails_per_minute end - coalesce(recent.mails, 0),
        recent.first_at + interval '1 minute'
    from (select wanted_org as org_id) owner
    left join delivery_limits limits on limits.org_id = owner.org_id
    cross join lateral (
        select sum(batch.leaving)::integer as mails, min(batch.left_at) as first_at
        from email_batches batch
        where batch.org_id = owner.org_id and batch.leaving > 0
            and batch.left_at > at - interval '1 minute'
            -- By a clock that ran ahead.
            and batch.left_at <= at + interval '1 minute'
    ) recent
$$;

-- Mails of an organization that are queued and leave soon: what is held until its window opens leaves at another time.
create or replace function emails_waiting(wanted_org uuid, at timestamptz) returns integer
language sql stable
as $$
    select count(*)::integer
    from email_batches batch
    join email_sends mail on mail.batch_id = batch.id
    where batch.org_id = wanted_org and batch.purpose = 'campaign' and batch.state = 'queued'
        and batch.not_before <= at + interval '15 minutes' and mail.position is not null
$$;

-- When somebody may get another e-mail under the organization's cap; no row or null: now. What is on its way counts.
create or replace function email_cap(wanted_org uuid, wanted_address text, at timestamptz) returns table (frees_at timestamptz)
language sql stable
as $$
    select latest.at + limits.cap_days * interval '1 day'
    from delivery_limits limits
    cross join lateral (
        select coalesce(sent.left_at, sent.queued_at) as at
        from email_sends sent
        where sent.org_id = wanted_org and sent.address = wanted_address
            and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed')
            and (sent.status = 'queued' or coalesce(sent.left_at, sent.queued_at) > at - limits.cap_days * interval '1 day')
        order by 1 desc
        offset limits.cap_emails - 1
        limit 1
    ) latest
    where limits.org_id = wanted_org and limits.cap_emails is not null
$$;

revoke all on function email_room(uuid, timestamptz), emails_waiting(uuid, timestamptz), email_cap(uuid, text, timestamptz)
    from public, anon, authenticated;
grant execute on function email_room(uuid, timestamptz), emails_waiting(uuid, timestamptz), email_cap(uuid, text, timestamptz)
    to service_role, crm_relay;
