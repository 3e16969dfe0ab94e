-- Functions of campaigns. Written by `make schema`: change it by a migration.


create function archive_deleted_lines()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function archive_deleted_lines() from crm_relay, service_role;


create function campaign_document(wanted uuid)
    returns jsonb
    language sql
    stable
    set search_path to 'public', 'pg_temp'
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


create function colleagues_enrolled(answered uuid[])
    returns table(id uuid)
    language sql
    stable rows 5
    set search_path to 'public', 'pg_temp'
as $$
    select other.id
    from campaign_enrollments mine
    join campaigns owner on owner.id = mine.campaign_id and owner.stop_company_on_reply
    join contacts person on person.id = mine.contact_id
    join contacts colleague on colleague.account_id = person.account_id
    join campaign_enrollments other on other.contact_id = colleague.id and other.campaign_id = mine.campaign_id
    where mine.id = any (answered) and other.id <> all (answered)
$$;


create function count_enrollments()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
        totals := (
            select jsonb_agg(total)
            from (
                select
                    campaign_id, sum(sign) filter (where status in ('active', 'engaged')) as active,
                    sum(sign) filter (where status = 'completed') as completed, sum(sign * emails_sent) as sent
                from (
                    select campaign_id, status, emails_sent, 1 as sign from after_rows
                    union all
                    select campaign_id, status, emails_sent, -1 from before_rows
                ) row
                group by campaign_id
            ) total
            where active <> 0 or completed <> 0 or sent <> 0
        );
    end if;
    if totals is null then
        return null;
    end if;
    with change as (
        select campaign_id, coalesce(active, 0) as active, coalesce(completed, 0) as completed, coalesce(sent, 0) as sent
        from jsonb_to_recordset(totals) as change (campaign_id uuid, active integer, completed integer, sent integer)
        where coalesce(active, 0) <> 0 or coalesce(completed, 0) <> 0 or coalesce(sent, 0) <> 0
    ),
    -- Never waited for, so that no two can wait for each other either.
    free as materialized (
        select id from campaigns where id in (select campaign_id from change) order by id for no key update skip locked
    ),
    counted as (
        update campaigns owner
        set
            total_active = owner.total_active + change.active,
            total_completed = owner.total_completed + change.completed,
            total_sent = owner.total_sent + change.sent
        from free
        join change on change.campaign_id = free.id
        where owner.id = free.id
    )
    insert into campaign_total_changes (campaign_id, active, completed, sent)
    select change.campaign_id, change.active, change.completed, change.sent
    from change
    where change.campaign_id not in (select id from free)
        -- A campaign that is deleted takes its enrollments with it.
        and exists (select from campaigns owner where owner.id = change.campaign_id);
    return null;
end
$$;
revoke execute on function count_enrollments() from crm_relay, service_role;


create function leaving_enrollments(sends uuid[], email_ids text[], tokens text[], addresses text[])
    returns table(id uuid, address text)
    language plpgsql
    stable rows 5
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_generic_plan'
as $$
#variable_conflict use_column
begin
    return query
    with leaving as materialized (
        select mail.address
        from email_sends mail
        where mail.id = any (sends) or mail.resend_id = any (email_ids) or mail.unsubscribe_token = any (tokens)
        union
        select unnest(addresses)
    )
    select theirs.id, leaving.address
    from leaving
    join contacts person on normalise_address(person.email) = leaving.address
    join campaign_enrollments theirs on theirs.contact_id = person.id
    union
    -- Whose address was changed since has got mail at this one.
    select mail.enrollment_id, leaving.address
    from leaving
    join email_sends mail on mail.address = leaving.address
    where mail.enrollment_id is not null;
end
$$;


create function lock_follower(send uuid)
    returns json
    language plpgsql
as $$
declare
    its_enrollment uuid := (select enrollment_id from public.email_sends where id = send);
    enrolled json;
begin
    select row_to_json(locked) into enrolled
    from (
        select
            id, org_id, campaign_id, status, emails_opened, emails_clicked, engagement_score, first_opened_at, first_clicked_at,
            last_engagement_at, next_step_at, held_for, stopped_reason, replied_at, thread_id
        from public.campaign_enrollments
        where id = its_enrollment
        for no key update
    ) locked;
    if enrolled is null then
        return null;
    end if;
    return json_build_object('enrolled', enrolled, 'mails', (
        select json_agg(theirs)
        from (
            select
                mail.id, mail.enrollment_id, mail.human_opens, mail.human_clicks, mail.first_human_open_at,
                mail.first_human_click_at, mail.last_human_at,
                (
                    select line.status
                    from public.campaign_sequence_logs line
                    where line.enrollment_id = mail.enrollment_id and line.sequence_id = mail.sequence_id
                        and (line.status = 'pending' or line.status = 'failed' and line.reason = 'unknown')
                ) as open_line
            from public.email_sends mail
            where mail.enrollment_id = its_enrollment
        ) theirs
    ));
end
$$;


create function note_campaign_hold_change()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    changed jsonb := to_jsonb(new);
begin
    insert into hold_changes (org_id, campaign_id, reasons)
    values (
        coalesce((changed ->> 'org_id')::uuid, default_org_id()), (changed ->> tg_argv[0])::uuid, string_to_array(tg_argv[1], ' ')
    );
    return null;
end
$$;
revoke execute on function note_campaign_hold_change() from crm_relay, service_role;


create function record_follower(
    its_id uuid,
    its_status text,
    opened integer,
    clicked integer,
    score integer,
    first_opened timestamptz,
    first_clicked timestamptz,
    last_engagement timestamptz,
    next_step timestamptz,
    held text,
    stopped text,
    replied timestamptz,
    thread text,
    at timestamptz
)
    returns void
    language plpgsql
as $$
begin
    update public.campaign_enrollments
    set
        status = its_status, emails_opened = opened, emails_clicked = clicked, engagement_score = score,
        first_opened_at = first_opened, first_clicked_at = first_clicked, last_engagement_at = last_engagement,
        next_step_at = next_step, held_for = held, stopped_reason = stopped, replied_at = replied, thread_id = thread,
        updated_at = at
    where id = its_id;
end
$$;


create function take_back_queued(enrollments uuid[], reasons text[], at timestamptz)
    returns void
    language plpgsql
    set search_path to 'public', 'pg_temp'
    set plan_cache_mode to 'force_generic_plan'
as $$
begin
    if not exists (select from email_sends where enrollment_id = any (enrollments) and status = 'queued')
        and not exists (select from sms_sends where enrollment_id = any (enrollments) and status = 'queued' and attempts = 0)
    then
        return;
    end if;
    with ended as materialized (
        select * from unnest(enrollments, reasons) as ended (enrollment_id, reason)
    ),
    -- What somebody else has locked is left, with its line, to the next look; what this transaction has locked is free for it.
    free_mail as materialized (
        select id
        from email_sends
        where enrollment_id = any (enrollments) and status = 'queued'
        order by id
        for no key update skip locked
    ),
    free_text as materialized (
        select id
        from sms_sends
        where enrollment_id = any (enrollments) and status = 'queued' and attempts = 0
        order by id
        for no key update skip locked
    ),
    pending as materialized (
        select id, enrollment_id, sequence_id
        from campaign_sequence_logs
        where enrollment_id = any (enrollments) and status = 'pending'
    ),
    free_line as materialized (
        select id from campaign_sequence_logs where id in (select id from pending) order by id for no key update skip locked
    ),
    locked_line as materialized (
        select enrollment_id, sequence_id from pending where id not in (select id from free_line)
    ),
    mails as (
        update email_sends mail
        set status = 'refused', reason = ended.reason, payload = null, position = null, updated_at = now()
        from ended
        where mail.enrollment_id = ended.enrollment_id and mail.id in (select id from free_mail)
            and not exists (
                select from locked_line where enrollment_id = mail.enrollment_id and sequence_id = mail.sequence_id
            )
        returning mail.enrollment_id, mail.sequence_id, ended.reason
    ),
    texts as (
        update sms_sends message
        set status = 'refused', reason = ended.reason, updated_at = at
        from ended
        where message.enrollment_id = ended.enrollment_id and message.id in (select id from free_text)
            and not exists (
                select from locked_line where enrollment_id = message.enrollment_id and sequence_id = message.sequence_id
            )
        returning message.enrollment_id, message.sequence_id, ended.reason
    )
    update campaign_sequence_logs line
    set status = 'stopped', reason = taken.reason, updated_at = at
    from (select * from mails union all select * from texts) taken
    where line.enrollment_id = taken.enrollment_id and line.sequence_id = taken.sequence_id and line.status = 'pending';
end
$$;


create function waiting_replies()
    returns setof reply_matches
    language plpgsql
    stable rows 5
    set search_path to 'public', 'pg_temp'
as $$
begin
    if exists (select from inbox_items where followed_at is null) then
        return query select * from reply_matches;
    end if;
end
$$;
