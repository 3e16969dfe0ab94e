-- What a single delivery locks, reads and writes, in functions: their plans are kept, and planning the same statements for each
-- delivery costs more than running them. They decide nothing. A batch of many goes by the statements of its queries.
set local lock_timeout = '5s';

-- The inbox's row of one delivery, which counts as applied at once, since its effects commit with it or not at all. `id` is null for
-- one that was applied before. `erased`: which of `marks` belong to erased persons.
create or replace function keep_delivery(
    whence text, workspace text, key text, kept_headers jsonb, content text, received timestamptz, marks text[],
    out id bigint, out erased text[]
)
language plpgsql
as $$
begin
    insert into public.webhook_inbox as known
        (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
    values (whence, workspace, key, kept_headers, content, received, now(), 1)
    on conflict (source, dedupe_key) do update
        set applied_at = excluded.applied_at, attempts = known.attempts + 1, error = null
        where known.applied_at is null
    returning known.id into keep_delivery.id;
    erased := public.erased_among(marks);
end
$$;

-- One mail, locked, and then all that was reported of it; null where there is no such mail.
create or replace function lock_mail(send uuid) returns json
language plpgsql
as $$
declare
    mail json;
begin
    select row_to_json(locked) into mail
    from (
        select
            id, org_id, enrollment_id, campaign_id, sequence_id, address, topic, links, unsubscribe_token, resend_id, status, sent_at,
            message_id, delivered_at, opened_at, opened_count, human_opens, first_human_open_at, clicked_at, clicked_count,
            human_clicks, first_human_click_at, last_human_at, bounced_at, bounce_type, complained_at, unsubscribed_at, error_message
        from public.email_sends
        where id = send
        for no key update
    ) locked;
    if mail is null then
        return null;
    end if;
    return json_build_object('mail', mail, 'logs', (
        select json_agg(reported)
        from (
            select id, email_send_id, event_type, event_data, occurred_at, event_key, verdict, verdict_reason
            from public.email_logs
            where email_send_id = send
        ) reported
    ));
end
$$;

-- A new event of a mail, and what became of the mail. The index on the events' keys refuses one that is there.
create or replace function record_mail_event(
    mail uuid, kind text, said jsonb, happened timestamptz, key text, reported_id text, its_verdict text, why text, its_status text,
    its_resend_id text, its_message_id text, sent timestamptz, delivered timestamptz, opened timestamptz, opens integer,
    opens_of_people integer, first_open timestamptz, clicked timestamptz, clicks integer, clicks_of_people integer,
    first_click timestamptz, last_human timestamptz, bounced timestamptz, kind_of_bounce text, complained timestamptz,
    unsubscribed timestamptz, problem text
) returns void
language plpgsql
as $$
begin
    insert into public.email_logs (email_send_id, event_type, event_data, occurred_at, event_key, resend_id, verdict, verdict_reason)
    values (mail, kind, said, happened, key, reported_id, its_verdict, why);
    update public.email_sends
    set
        status = its_status, resend_id = its_resend_id, message_id = its_message_id, sent_at = sent, delivered_at = delivered,
        opened_at = opened, opened_count = opens, human_opens = opens_of_people, first_human_open_at = first_open,
        clicked_at = clicked, clicked_count = clicks, human_clicks = clicks_of_people, first_human_click_at = first_click,
        last_human_at = last_human, bounced_at = bounced, bounce_type = kind_of_bounce, complained_at = complained,
        unsubscribed_at = unsubscribed, error_message = problem, updated_at = now()
    where id = mail;
end
$$;

-- Who is enrolled by a mail that is locked, locked as well, and then all mails of that enrollment with what people did with them
-- and the line of their step where their fate is open. Null where nobody is.
create or replace function lock_follower(send uuid) returns json
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

-- Where an enrollment is now.
create or replace function record_follower(
    its_id uuid, its_status text, opened integer, clicked integer, score integer, first_opened timestamptz,
    first_clicked timestamptz, last_engagement timestamptz, next_step timestamptz, held text, stopped text, replied timestamptz,
    thread text, at timestamptz
) returns void
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

do $$
declare
    made regprocedure;
begin
    for made in
        select oid
        from pg_proc
        where pronamespace = 'public'::regnamespace
            and proname = any (array['keep_delivery', 'lock_mail', 'record_mail_event', 'lock_follower', 'record_follower'])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', made);
        execute format('grant execute on function %s to service_role, crm_relay', made);
    end loop;
end
$$;
