-- What follows for whoever is enrolled: from the fate of a mail, its events, a reply or an opt-out; and totals that add themselves up.
set local lock_timeout = '5s';

-- A campaign with its active steps, their templates and its sender, as the engine and the look ahead both read it.
create or replace function campaign_document(wanted uuid) returns jsonb
language sql stable set search_path = public, pg_temp
as $$
    select jsonb_build_object(
        'id', campaign.id, 'org_id', coalesce(campaign.org_id, default_org_id()), 'name', campaign.name,
        'send_days', campaign.send_days, 'send_window_start', campaign.send_window_start,
        'send_window_end', campaign.send_window_end, 'timezone', campaign.timezone,
        'use_recipient_timezone', campaign.use_recipient_timezone, 'topic', campaign.topic,
        'late_policy', campaign.late_policy, 'late_minutes', campaign.late_minutes,
        'postal_address', organization.postal_address, 'identity', to_jsonb(identity),
        'steps', (
            select coalesce(jsonb_agg(to_jsonb(step) || jsonb_build_object(
                'template_subject', template.subject, 'template_html', template.body_html, 'template_text', template.body_text,
                'template_variables', template.variables
            ) order by step.step_number), '[]')
            from campaign_sequences step
            left join email_templates template
                on template.id = step.template_id
                and coalesce(template.org_id, default_org_id()) = coalesce(campaign.org_id, default_org_id())
            where step.campaign_id = campaign.id and step.is_active
        )
    )
    from campaigns campaign
    left join organizations organization on organization.id = coalesce(campaign.org_id, default_org_id())
    left join email_identities identity
        on identity.org_id = coalesce(campaign.org_id, default_org_id())
        and (identity.id = campaign.identity_id or campaign.identity_id is null and identity.is_default)
    where campaign.id = wanted
$$;

-- A reply that stops a whole account looks for the others who work there.
create index if not exists idx_contacts_account on contacts (account_id) where account_id is not null;

-- Totals of a campaign follow its enrollments, whoever changes them. Who is deleted is no longer active, but what was sent to
-- them was sent.
create or replace function count_enrollments() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
declare
    totals jsonb;
begin
    if tg_op = 'INSERT' then
        totals := (select jsonb_agg(total) from (
            select
                campaign_id, count(*) filter (where status in ('active', 'engaged')) as active,
                count(*) filter (where status = 'completed') as completed, sum(emails_sent) as sent
            from after_rows group by campaign_id
        ) total);
    elsif tg_op = 'DELETE' then
        totals := (select jsonb_agg(total) from (
            select campaign_id, -count(*) filter (where status in ('active', 'engaged')) as active, 0 as completed, 0 as sent
            from before_rows group by campaign_id
        ) total);
    else
        -- Added and taken away instead of joined row by row: the activation of a campaign changes a million.
        totals := (select jsonb_agg(total) from (
            select
                campaign_id, sum(sign) filter (where status in ('active', 'engaged')) as active,
                sum(sign) filter (where status = 'completed') as completed, sum(sign * emails_sent) as sent
            from (
                select campaign_id, status, emails_sent, 1 as sign from after_rows
                union all
                select campaign_id, status, emails_sent, -1 from before_rows
            ) row
            group by campaign_id
        ) total);
    end if;
    if totals is null then
        return null;
    end if;
    with change as (
        select campaign_id, coalesce(active, 0) as active, coalesce(completed, 0) as completed, coalesce(sent, 0) as sent
        from jsonb_to_recordset(totals) as change (campaign_id uuid, active integer, completed integer, sent integer)
        where coalesce(active, 0) <> 0 or coalesce(completed, 0) <> 0 or coalesce(sent, 0) <> 0
    ),
    -- In one order, so that no two wait for each other.
    locked as (
        select id from campaigns where id in (select campaign_id from change) order by id for no key update
    )
    update campaigns owner
    set
        total_active = owner.total_active + change.active,
        total_completed = owner.total_completed + change.completed,
        total_sent = owner.total_sent + change.sent
    from locked
    join change on change.campaign_id = locked.id
    where owner.id = locked.id;
    return null;
end
$$;
create or replace trigger count_enrollments_in after insert on campaign_enrollments
    referencing new table as after_rows for each statement execute function count_enrollments();
create or replace trigger count_enrollments_changed after update on campaign_enrollments
    referencing old table as before_rows new table as after_rows for each statement execute function count_enrollments();
create or replace trigger count_enrollments_out after delete on campaign_enrollments
    referencing old table as before_rows for each statement execute function count_enrollments();

-- A line that is deleted, by the retention or together with its contact, is archived: what a step reached stays accounted for.
create or replace function archive_deleted_lines() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into campaign_sequence_logs_archive (
        id, org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, ab_variant, scheduled_at, sent_at,
        created_at, reason, activity_id, updated_at
    )
    select
        line.id, line.org_id, line.campaign_id, line.enrollment_id, line.sequence_id, line.step_number, line.channel,
        -- Nothing will ever settle it any more.
        case line.status when 'pending' then 'stopped' else line.status end,
        line.ab_variant, line.scheduled_at, line.sent_at, line.created_at, line.reason, line.activity_id, line.updated_at
    from before_rows line
    -- With its step, or its whole campaign, the line has lost its meaning.
    where exists (select from campaign_sequences step where step.id = line.sequence_id)
    on conflict (id) do nothing;
    return null;
end
$$;
create or replace trigger archive_deleted_lines after delete on campaign_sequence_logs
    referencing old table as before_rows for each statement execute function archive_deleted_lines();

-- Mails of campaigns whose fate is known. `settled`: enrollment_id, sequence_id, line (the new status), reason, is_error,
-- ends_as (null: goes on). Only what was pending changes, and once; but what was unknown may still prove to have been sent.
create or replace function settle_campaign_mail(settled jsonb, at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed integer;
begin
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
        returning known.enrollment_id, known.channel, given.line, given.reason, given.is_error, given.ends_as
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
            count(*)::integer as lines
        from line
        group by enrollment_id
    ),
    locked as (
        select id from campaign_enrollments where id in (select enrollment_id from outcome) order by id for no key update
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
                else enrollment.status
            end,
            next_step_at = case
                when outcome.ends_as is not null then null
                when outcome.errors > 0 and enrollment.error_count + outcome.errors >= 3 then null
                else enrollment.next_step_at
            end,
            stopped_reason = case
                when enrollment.status in ('active', 'engaged', 'paused') then coalesce(outcome.why, enrollment.stopped_reason)
                else enrollment.stopped_reason
            end,
            updated_at = at
        from locked
        join outcome on outcome.enrollment_id = locked.id
        where enrollment.id = locked.id
    )
    select coalesce(sum(lines), 0) into changed from outcome;
    return changed;
end
$$;

-- Ends sequences, and takes back what was queued for them and has not begun to leave. The number of those that ended now.
create or replace function stop_enrollments(wanted uuid[], new_status text, why text, at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    stopped integer;
begin
    if coalesce(cardinality(wanted), 0) = 0 then
        return 0;
    end if;
    -- First of all: who holds them may be queuing a mail at this moment, which would be seen only afterwards.
    perform from campaign_enrollments where id = any (wanted) order by id for no key update;
    update campaign_enrollments
    set status = new_status, next_step_at = null, held_for = null, stopped_reason = why, updated_at = at
    where id = any (wanted) and status in ('active', 'engaged', 'paused');
    get diagnostics stopped = row_count;
    perform cancel_queued_mail(wanted, why);
    update sms_sends
    set status = 'refused', reason = why, updated_at = at
    where enrollment_id = any (wanted) and status = 'queued' and attempts = 0;
    update campaign_sequence_logs line
    set status = 'stopped', reason = why, updated_at = at
    where line.enrollment_id = any (wanted)
        and line.status = 'pending'
        and (
            exists (
                select from email_sends mail
                where mail.enrollment_id = line.enrollment_id and mail.sequence_id = line.sequence_id and mail.status = 'refused'
            )
            or exists (
                select from sms_sends message
                where message.enrollment_id = line.enrollment_id and message.sequence_id = line.sequence_id
                    and message.status = 'refused'
            )
        );
    return stopped;
end
$$;

-- Everybody with this address: in one organization, or everywhere (null); in campaigns of one topic, or in all (null).
create or replace function stop_for_address(
    wanted_org uuid, wanted_address text, wanted_topic text, new_status text, why text, at timestamptz
) returns integer
language sql set search_path = public, pg_temp
as $$
    select stop_enrollments(
        array(
            select enrollment.id
            from campaign_enrollments enrollment
            join campaigns owner on owner.id = enrollment.campaign_id
            where enrollment.id in (
                    select theirs.id
                    from contacts person
                    join campaign_enrollments theirs on theirs.contact_id = person.id
                    where normalise_address(person.email) = wanted_address
                    union
                    -- Whose address was changed since has got mail at this one.
                    select mail.enrollment_id from email_sends mail where mail.address = wanted_address
                )
                and (wanted_org is null or enrollment.org_id = wanted_org)
                and (wanted_topic is null or owner.topic = wanted_topic)
        ),
        new_status, why, at
    )
$$;

-- Replies that nobody looked at, and whom each one is from: by the mail that it answers, else by the address that it was
-- sent to, else, from EmailBison, by its sender. `stops`: whether the sequence ends with it. `is_read`: whether it is known if
-- a person wrote it.
create or replace view unfollowed_replies with (security_invoker = true) as
select
    item.id as inbox_item_id,
    item.received_at,
    item.is_auto_reply,
    item.source <> 'resend' or item.headers_read_at is not null as is_read,
    coalesce(item.thread_id, item.reference_ids[1], item.in_reply_to) as thread_id,
    enrollment.id as enrollment_id,
    not item.is_auto_reply and (
        exists (
            select
            from campaign_sequence_logs line
            join campaign_sequences step on step.id = line.sequence_id
            where line.enrollment_id = enrollment.id and step.stop_on_reply
                -- The answer itself proves that what was parked as unknown did arrive.
                and (line.status in ('sent', 'pending') or line.status = 'failed' and line.reason = 'unknown')
        )
        or item.source = 'bison' and exists (
            select from campaign_sequences step where step.campaign_id = enrollment.campaign_id and step.stop_on_reply
        )
    ) as stops
from inbox_items item
left join lateral (
    select mail.enrollment_id
    from unnest(item.in_reply_to || item.reference_ids) as named (id)
    -- Whoever wrote it down may have left the brackets out.
    join email_sends mail on mail.message_id in (named.id, btrim(named.id, '<>'), '<' || btrim(named.id, '<>') || '>')
    where mail.enrollment_id is not null
    order by named.id = item.in_reply_to desc nulls last, mail.queued_at desc
    limit 1
) by_message on true
left join lateral (
    select mail.enrollment_id
    from unnest(item.to_addresses) as named (address)
    join email_sends mail on mail.reply_token = substring(lower(named.address) from '\+([^+@]+)@')
    where by_message.enrollment_id is null and mail.enrollment_id is not null
    limit 1
) by_token on true
cross join lateral (
    select coalesce(by_message.enrollment_id, by_token.enrollment_id) as enrollment_id
    where by_message.enrollment_id is not null or by_token.enrollment_id is not null
    union all
    select theirs.id
    from contacts person
    join campaign_enrollments theirs on theirs.contact_id = person.id
    where by_message.enrollment_id is null and by_token.enrollment_id is null
        and item.source = 'bison'
        and normalise_address(person.email) = normalise_address(item.from_address)
        and theirs.org_id = coalesce(item.org_id, default_org_id())
        and theirs.created_at <= item.received_at
        and theirs.status in ('active', 'engaged', 'paused')
) matched
join campaign_enrollments enrollment on enrollment.id = matched.enrollment_id
where item.followed_at is null;

-- Looks at every reply that came in: whose it is, and what it ends. What answers a mail whose id is not known yet waits for
-- that id, two days at most.
create or replace function stop_answered(at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    answered uuid[];
    colleagues uuid[];
begin
    if not exists (select from inbox_items where followed_at is null) then
        return 0;
    end if;
    with reply as materialized (
        -- An answer of a machine says so in its headers. Where nobody can read them, nobody is written to until then.
        select * from unfollowed_replies
        where is_read or coalesce(received_at, '-infinity') <= at - interval '15 minutes'
    ),
    looked_at as (
        update inbox_items item
        set
            enrollment_id = coalesce(first_reply.enrollment_id, item.enrollment_id),
            thread_id = coalesce(item.thread_id, first_reply.thread_id),
            followed_at = at,
            updated_at = at
        from inbox_items waiting
        left join (
            select distinct on (inbox_item_id) inbox_item_id, enrollment_id, thread_id
            from reply
            order by inbox_item_id, stops desc, enrollment_id
        ) first_reply on first_reply.inbox_item_id = waiting.id
        where item.id = waiting.id
            and waiting.followed_at is null
            and (
                first_reply.enrollment_id is not null
                or waiting.source = 'bison'
                or coalesce(waiting.received_at, '-infinity') < at - interval '2 days'
            )
    ),
    noted as (
        update campaign_enrollments enrollment
        set
            replied_at = least(enrollment.replied_at, first_reply.received_at),
            thread_id = coalesce(enrollment.thread_id, first_reply.thread_id),
            updated_at = at
        from (
            select distinct on (enrollment_id) enrollment_id, coalesce(received_at, at) as received_at, thread_id
            from reply
            where not is_auto_reply
            order by enrollment_id, received_at
        ) first_reply
        where enrollment.id = first_reply.enrollment_id
    )
    select coalesce(array_agg(distinct enrollment_id) filter (where stops), '{}') into answered from reply;

    colleagues := array(
        select other.id
        from campaign_enrollments mine
        join campaigns owner on owner.id = mine.campaign_id and owner.stop_company_on_reply
        join contacts person on person.id = mine.contact_id
        join contacts colleague on colleague.account_id = person.account_id
        join campaign_enrollments other on other.contact_id = colleague.id and other.campaign_id = mine.campaign_id
        where mine.id = any (answered) and other.id <> all (answered)
    );
    return stop_enrollments(answered, 'replied', 'replied', at) + stop_enrollments(colleagues, 'stopped', 'company_replied', at);
end
$$;

-- Mail that was being sent at the moment in which its sequence ended, and came back: now it can be taken back after all.
create or replace function take_back_ended(at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    ended record;
    number integer := 0;
begin
    for ended in
        select coalesce(enrollment.stopped_reason, enrollment.status) as why, array_agg(distinct enrollment.id) as enrollments
        from email_batches batch
        join email_sends mail on mail.batch_id = batch.id and mail.status = 'queued'
        join campaign_enrollments enrollment on enrollment.id = mail.enrollment_id
        where batch.purpose = 'campaign' and batch.state = 'queued'
            and enrollment.status in ('replied', 'bounced', 'unsubscribed', 'stopped')
        group by 1
        order by 1
    loop
        perform stop_enrollments(ended.enrollments, 'stopped', ended.why, at);
        number := number + cardinality(ended.enrollments);
    end loop;
    return number;
end
$$;

-- Claimers decide one after the other: whoever comes second counts what the first one queued. Held until the transaction
-- ends. Answers how many sequences a reply ended.
create or replace function take_turn(at timestamptz) returns integer
language plpgsql set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('campaign_claim', 51));
    return stop_answered(at);
end
$$;

-- How somebody takes part, from all mails of the enrollment: what a scanner did counts for nothing, in whatever order it came.
create or replace function refresh_engagement(wanted uuid, at timestamptz) returns void
language sql set search_path = public, pg_temp
as $$
    update campaign_enrollments enrollment
    set
        emails_opened = seen.opens,
        emails_clicked = seen.clicks,
        engagement_score = least(100, 10 * seen.opens + 25 * seen.clicks),
        first_opened_at = seen.first_open,
        first_clicked_at = seen.first_click,
        last_engagement_at = seen.last_human,
        status = case
            when enrollment.status in ('active', 'engaged') then case when seen.opens + seen.clicks > 0 then 'engaged' else 'active' end
            else enrollment.status
        end,
        updated_at = at
    from (
        select
            coalesce(sum(human_opens), 0)::integer as opens, coalesce(sum(human_clicks), 0)::integer as clicks,
            min(first_human_open_at) as first_open, min(first_human_click_at) as first_click, max(last_human_at) as last_human
        from email_sends
        where enrollment_id = wanted
    ) seen
    where enrollment.id = wanted
        and (enrollment.emails_opened, enrollment.emails_clicked, enrollment.first_opened_at, enrollment.first_clicked_at,
            enrollment.last_engagement_at) is distinct from
            (seen.opens, seen.clicks, seen.first_open, seen.first_click, seen.last_human)
$$;

-- What the state of these enrollments' mails means for them. Safe to call at any time, as often as one likes.
create or replace function react_to_mails(enrollments uuid[], at timestamptz) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    mail record;
begin
    perform refresh_engagement(touched.id, at)
    from (
        select distinct enrollment_id as id
        from email_sends
        where enrollment_id = any (enrollments) and (last_human_at is not null or opened_count + clicked_count > 0)
        order by enrollment_id
    ) touched;
    -- The address is to get nothing more from anybody here, whichever campaign it was that found out.
    for mail in
        select distinct address, complained_at is not null as is_complaint
        from email_sends
        where enrollment_id = any (enrollments) and address is not null
            and (complained_at is not null or bounced_at is not null and bounce_type = 'permanent')
        order by address
    loop
        perform stop_for_address(
            null, mail.address, null,
            case when mail.is_complaint then 'unsubscribed' else 'bounced' end,
            case when mail.is_complaint then 'complaint' else 'hard_bounce' end, at
        );
    end loop;
end
$$;

-- One event of a mail, once, and all that follows from it for whoever is enrolled. Answers as apply_mail_event does.
create or replace function follow_mail_event(event jsonb) returns text
language plpgsql set search_path = public, pg_temp
as $$
declare
    applied record;
    mail email_sends;
    at timestamptz := event ->> 'occurred_at';
begin
    select * into applied from apply_mail_event(event);
    if applied.result = 'duplicate' then
        return applied.result;
    end if;
    if applied.enrollment_id is not null then
        select * into mail from email_sends where id = applied.email_send_id;
        -- The answer that said so may have been lost: then this is how it becomes known that the mail has left, or never will.
        perform settle_campaign_mail(jsonb_build_array(jsonb_build_object(
            'enrollment_id', mail.enrollment_id, 'sequence_id', mail.sequence_id,
            'line', case when mail.status in ('failed', 'suppressed') then 'failed' else 'sent' end,
            'reason', case when mail.status in ('failed', 'suppressed') then mail.status end,
            'is_error', mail.status in ('failed', 'suppressed')
        )), at)
        where mail.status not in ('queued', 'refused', 'dry_run', 'sending', 'unknown');
        perform react_to_mails(array[applied.enrollment_id], at);
    end if;
    if event ->> 'suppresses' is not null then
        perform stop_for_address(
            null, coalesce(mail.address, event ->> 'address'), null,
            case event ->> 'suppresses' when 'hard_bounce' then 'bounced' else 'unsubscribed' end, event ->> 'suppresses', at
        );
    end if;
    return applied.result;
end
$$;

-- Whom these enrollments were of; in a statement of its own, since one statement cannot change a row twice.
create or replace function erase_enrollments(wanted uuid[]) returns integer
language plpgsql set search_path = public, pg_temp
as $$
declare
    erased integer;
begin
    update campaign_enrollments
    set address = null, thread_id = null, last_error = null, updated_at = now()
    where id = any (wanted);
    get diagnostics erased = row_count;
    return erased;
end
$$;

revoke all on unfollowed_replies from public, anon, authenticated;
grant select on unfollowed_replies to service_role, crm_relay;
revoke all on function campaign_document(uuid), settle_campaign_mail(jsonb, timestamptz), stop_enrollments(uuid[], text, text, timestamptz),
    stop_for_address(uuid, text, text, text, text, timestamptz), stop_answered(timestamptz), take_back_ended(timestamptz),
    take_turn(timestamptz), refresh_engagement(uuid, timestamptz), react_to_mails(uuid[], timestamptz), follow_mail_event(jsonb),
    erase_enrollments(uuid[])
    from public, anon, authenticated;
grant execute on function campaign_document(uuid), settle_campaign_mail(jsonb, timestamptz), stop_enrollments(uuid[], text, text, timestamptz),
    stop_for_address(uuid, text, text, text, text, timestamptz), stop_answered(timestamptz), take_back_ended(timestamptz),
    take_turn(timestamptz), refresh_engagement(uuid, timestamptz), react_to_mails(uuid[], timestamptz), follow_mail_event(jsonb),
    erase_enrollments(uuid[])
    to service_role, crm_relay;

comment on view unfollowed_replies is 'Replies that campaigns have not looked at, whose each one is, and whether it ends the sequence.';
