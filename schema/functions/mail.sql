-- Functions of mail. Written by `make schema`: change it by a migration.


create function email_cap(wanted_org uuid, wanted_address text, at timestamptz)
    returns table(frees_at timestamptz)
    language sql
    stable
as $$
    select latest.at + limits.cap_days * interval '1 day'
    from delivery_limits limits
    cross join lateral (
        select one.at
        from (
            select coalesce(sent.left_at, sent.queued_at) as at
            from email_sends sent
            where sent.org_id = wanted_org and sent.address = wanted_address and sent.purpose not like 'notification%'
                and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed')
                and (
                    sent.status = 'queued'
                    or coalesce(sent.left_at, sent.queued_at) > email_cap.at - limits.cap_days * interval '1 day'
                )
            union all
            select elsewhere.left_at
            from mail_elsewhere elsewhere
            where elsewhere.org_id = wanted_org and elsewhere.address = wanted_address
                and elsewhere.left_at > email_cap.at - limits.cap_days * interval '1 day'
        ) one
        order by 1 desc
        offset limits.cap_emails - 1
        limit 1
    ) latest
    where limits.org_id = wanted_org and limits.cap_emails is not null
$$;


create function email_room(wanted_org uuid, at timestamptz)
    returns table(mails integer, frees_at timestamptz)
    language sql
    stable
as $$
    select
        case when limits.org_id is null then 100 else limits.emails_per_minute end - coalesce(recent.mails, 0),
        recent.first_at + interval '1 minute'
    from (select wanted_org as org_id) owner
    left join delivery_limits limits on limits.org_id = owner.org_id
    cross join lateral (
        select sum(batch.leaving)::integer as mails, min(batch.left_at) as first_at
        from email_batches batch
        where batch.org_id = owner.org_id and batch.leaving > 0 and batch.purpose not like 'notification%'
            and batch.left_at > at - interval '1 minute'
            -- By a clock that ran ahead.
            and batch.left_at <= at + interval '1 minute'
    ) recent
$$;


create function emails_waiting(wanted_org uuid, at timestamptz)
    returns integer
    language sql
    stable
as $$
    select count(*)::integer
    from email_batches batch
    join email_sends mail on mail.batch_id = batch.id
    where batch.org_id = wanted_org and batch.purpose = 'campaign' and batch.state = 'queued'
        and batch.not_before <= at + interval '15 minutes' and mail.position is not null
$$;


create function is_sending_stopped(wanted_org uuid, wanted_purpose text)
    returns boolean
    language sql
    stable
as $$
    select exists (
        select
        from sending_stops stop
        where stop.resumed_at is null and wanted_purpose = any (stop.purposes) and (stop.org_id is null or stop.org_id = wanted_org)
    )
$$;


create function lock_mail(send uuid)
    returns json
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


create function note_hold_change()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into hold_changes (org_id, reasons)
    values (
        (to_jsonb(case tg_op when 'DELETE' then old else new end) ->> nullif(tg_argv[0], ''))::uuid, string_to_array(tg_argv[1], ' ')
    );
    return null;
end
$$;
revoke execute on function note_hold_change() from crm_relay, service_role;


create function note_mailed_opt_out()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
as $$
begin
    insert into contact_opt_outs (contact_id, channel, opted_out_at)
    select person.id, event.channel, max(event.occurred_at)
    from after_rows event
    cross join lateral (
        select mail.contact_id from email_sends mail where event.channel = 'email' and mail.address = event.address
        union
        select message.contact_id from sms_sends message where event.channel = 'sms' and message.to_number = event.address
    ) written_to
    join contacts person on person.id = written_to.contact_id
    where (event.kind = 'complaint' or event.kind = 'opt_out' and event.org_id = person.org_id)
        and not consented_since(person.org_id, event.channel, event.address, event.occurred_at)
    group by person.id, event.channel
    order by person.id, event.channel
    on conflict (contact_id, channel) do update
        set opted_out_at = excluded.opted_out_at
        where contact_opt_outs.opted_out_at < excluded.opted_out_at;
    return null;
end
$$;
revoke execute on function note_mailed_opt_out() from crm_relay, service_role;


create function record_mail_event(
    mail uuid,
    kind text,
    said jsonb,
    happened timestamptz,
    key text,
    reported_id text,
    its_verdict text,
    why text,
    its_status text,
    its_resend_id text,
    its_message_id text,
    sent timestamptz,
    delivered timestamptz,
    opened timestamptz,
    opens integer,
    opens_of_people integer,
    first_open timestamptz,
    clicked timestamptz,
    clicks integer,
    clicks_of_people integer,
    first_click timestamptz,
    last_human timestamptz,
    bounced timestamptz,
    kind_of_bounce text,
    complained timestamptz,
    unsubscribed timestamptz,
    problem text
)
    returns void
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


create function refuse_shared_inbound_domain()
    returns trigger
    language plpgsql
    set search_path to 'public', 'pg_temp'
as $$
begin
    -- Two organizations that save the same domain at once take turns.
    perform pg_advisory_xact_lock(hashtextextended(lower(btrim(new.inbound_domain)), 52));
    if exists (
        select
        from email_identities other
        where lower(btrim(other.inbound_domain)) = lower(btrim(new.inbound_domain)) and other.org_id <> new.org_id
    ) then
        raise exception 'inbound_domain belongs to another organization: replies without a token could not be told apart'
            using errcode = 'check_violation', constraint = 'email_identities_inbound_domain_of_one_organization';
    end if;
    return new;
end
$$;
revoke execute on function refuse_shared_inbound_domain() from crm_relay, service_role;
