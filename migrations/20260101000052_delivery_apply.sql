-- What becomes of a mail: its state is a fold over everything that was told of it, so the order in which that came never
-- shows. Python's crm_relay.delivery.decisions folds in the same way, and a test holds the two against each other.
set local lock_timeout = '5s';

alter table email_identities add column if not exists resumed_at timestamptz;
comment on column email_identities.resumed_at is 'When somebody last let a paused sender go on: what was before counts no more.';
create index if not exists idx_email_sends_identity on email_sends (identity_id, sent_at);

-- The later of two states wins. A transient bounce stands below a delivery: such a mail may arrive after all.
create or replace function mail_status_rank(status text) returns integer
language sql immutable parallel safe
as $$
    select array_position(array[
        'queued', 'refused', 'dry_run', 'sending', 'unknown', 'scheduled', 'sent', 'pending', 'failed', 'suppressed',
        'bounced_for_now', 'delivered', 'opened', 'clicked', 'bounced', 'unsubscribed', 'spam'
    ], status)
$$;

-- Programs that follow links before a person does, by a part of their user agent.
create or replace function is_mail_scanner(agent text) returns boolean
language sql immutable parallel safe
as $$
    select coalesce(lower(agent) ~ (
        'barracuda|proofpoint|mimecast|symantec|trendmicro|forcepoint|fireeye|zscaler|ironport|safelinks|preview'
        '|facebookexternalhit|slackbot|whatsapp|headless|phantomjs|bot|crawler|spider|python|curl|wget|go-http-client|java/'
        '|okhttp|libwww|guzzlehttp'
    ), false)
$$;

-- Everything about one mail, anew from its log. Whoever opens or clicks within ten seconds of the delivery (of the sending,
-- where no delivery was told) is a machine; so is who clicks all of several links within three seconds, and a known scanner.
-- A click on the link that unsubscribes says nothing of interest, by whomever.
create or replace function refresh_email_send(wanted uuid) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    mail email_sends;
begin
    select * into mail from email_sends where id = wanted for update;
    with event as (
        select
            id, event_type, occurred_at, event_key, event_data ->> 'link' as link, event_data ->> 'user_agent' as agent,
            event_type in ('opened', 'clicked')
                and coalesce(position(mail.unsubscribe_token in event_data ->> 'link'), 0) = 0 as is_judged
        from email_logs
        where email_send_id = wanted
    ),
    begun as (
        select coalesce(
            min(occurred_at) filter (where event_type = 'delivered'),
            least(mail.sent_at, min(occurred_at) filter (where event_type = 'sent'))
        ) as at
        from event
    ),
    burst as (
        select first.occurred_at as at
        from event first
        join event other on other.occurred_at between first.occurred_at and first.occurred_at + interval '3 seconds'
        where mail.links >= 2 and first.event_type = 'clicked' and first.is_judged
            and other.event_type = 'clicked' and other.is_judged
        group by first.id, first.occurred_at
        having count(distinct other.link) >= mail.links
    ),
    judged as (
        select
            event.id,
            case
                when not is_judged then null
                when occurred_at < begun.at + interval '10 seconds'
                    or is_mail_scanner(agent)
                    or event_type = 'clicked' and exists (
                        select from burst where event.occurred_at between burst.at and burst.at + interval '3 seconds'
                    )
                    then 'machine'
                else 'human'
            end as verdict
        from event
        cross join begun
    )
    update email_logs log
    set verdict = judged.verdict
    from judged
    where log.id = judged.id and log.verdict is distinct from judged.verdict;

    with event as (
        select
            event_type, occurred_at, event_key, event_data, verdict,
            case event_type
                when 'delivery_delayed' then 'pending'
                when 'complained' then 'spam'
                when 'bounced' then case event_data ->> 'bounce_type' when 'permanent' then 'bounced' else 'bounced_for_now' end
                else event_type
            end as status
        from email_logs
        where email_send_id = wanted
    ),
    folded as (
        select
            max(mail_status_rank(status)) as rank,
            (array_agg(status order by mail_status_rank(status) desc))[1] as status,
            min(event_data ->> 'message_id') as message_id,
            min(occurred_at) filter (where event_type = 'sent') as sent_at,
            min(occurred_at) filter (where event_type = 'delivered') as delivered_at,
            min(occurred_at) filter (where event_type = 'opened') as opened_at,
            count(*) filter (where event_type = 'opened') as opened_count,
            count(*) filter (where event_type = 'opened' and verdict = 'human') as human_opens,
            min(occurred_at) filter (where event_type = 'opened' and verdict = 'human') as first_human_open_at,
            min(occurred_at) filter (where event_type = 'clicked') as clicked_at,
            count(*) filter (where event_type = 'clicked') as clicked_count,
            count(*) filter (where event_type = 'clicked' and verdict = 'human') as human_clicks,
            min(occurred_at) filter (where event_type = 'clicked' and verdict = 'human') as first_human_click_at,
            max(occurred_at) filter (where verdict = 'human') as last_human_at,
            min(occurred_at) filter (where event_type = 'bounced') as bounced_at,
            -- permanent < transient < undetermined, as it happens also in the alphabet
            min(event_data ->> 'bounce_type') filter (where event_type = 'bounced') as bounce_type,
            min(occurred_at) filter (where event_type = 'complained') as complained_at,
            min(occurred_at) filter (where event_type = 'unsubscribed') as unsubscribed_at,
            (array_agg(event_data ->> 'reason' order by occurred_at, event_key)
                filter (where event_data ->> 'reason' is not null))[1] as reason
        from event
    )
    update email_sends
    set
        status = case
            when folded.rank > mail_status_rank(own.status)
                then case folded.status when 'bounced_for_now' then 'bounced' else folded.status end
            else own.status
        end,
        message_id = coalesce(folded.message_id, mail.message_id),
        sent_at = least(mail.sent_at, folded.sent_at),
        delivered_at = folded.delivered_at,
        opened_at = folded.opened_at,
        opened_count = folded.opened_count,
        human_opens = folded.human_opens,
        first_human_open_at = folded.first_human_open_at,
        clicked_at = folded.clicked_at,
        clicked_count = folded.clicked_count,
        human_clicks = folded.human_clicks,
        first_human_click_at = folded.first_human_click_at,
        last_human_at = folded.last_human_at,
        bounced_at = folded.bounced_at,
        bounce_type = folded.bounce_type,
        complained_at = folded.complained_at,
        unsubscribed_at = folded.unsubscribed_at,
        error_message = coalesce(folded.reason, mail.error_message),
        updated_at = now()
    from folded
    cross join lateral (
        -- What the ledger says by itself; every other state follows from the events and is found again.
        select case
            when mail.status in ('queued', 'refused', 'dry_run', 'sending', 'unknown', 'sent', 'failed') then mail.status
            else 'sent'
        end as status
    ) own
    where email_sends.id = wanted;
end
$$;

-- One event, once. `event` as crm_relay.delivery.apply_event hands it over. Answers 'processed', 'duplicate' or 'unmatched'
-- (kept until a mail gets this id). What is told of one mail takes its turn.
create or replace function apply_mail_event(event jsonb)
returns table (result text, email_send_id uuid, enrollment_id uuid)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    mail email_sends;
    line uuid;
    address text;
    told text := event ->> 'email_id';
begin
    select * into mail from email_sends
    where email_sends.id = (
        select coalesce(
            -- The tag finds the row also where the answer with the id was lost.
            (select tagged.id from email_sends tagged where tagged.id = try_uuid(event ->> 'send')),
            (select known.id from email_sends known where known.resend_id = told)
        )
    )
    for update;
    if mail.id is null then
        -- Against a row that gets its id at this moment: it looks for what waits once it has this lock.
        perform pg_advisory_xact_lock_shared(52, 1);
        select * into mail from email_sends where resend_id = told for update;
    end if;
    insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key, resend_id)
    values (
        mail.id, event ->> 'kind',
        jsonb_strip_nulls(jsonb_build_object(
            'message_id', event -> 'message_id', 'bounce_type', event -> 'bounce_type', 'reason', event -> 'reason',
            'link', event -> 'link', 'user_agent', event -> 'user_agent'
        )),
        (event ->> 'occurred_at')::timestamptz, event ->> 'key', told
    )
    on conflict (event_key) do nothing
    returning id into line;
    if line is null then
        return query select 'duplicate'::text, mail.id, mail.enrollment_id;
        return;
    end if;

    address := coalesce(mail.address, event ->> 'address');
    -- Of somebody who was erased the ledger keeps the hash.
    if event ->> 'suppresses' is not null and address is not null then
        perform record_consent_events(jsonb_build_array(jsonb_build_object(
            'org_id', mail.org_id, 'channel', 'email', 'address', address, 'kind', event ->> 'suppresses',
            'source', 'resend', 'source_event', event ->> 'key', 'occurred_at', event ->> 'occurred_at'
        )));
    end if;
    if mail.id is null then
        return query select 'unmatched'::text, null::uuid, null::uuid;
        return;
    end if;
    if mail.resend_id is null and told is not null
        and not exists (select from email_sends other where other.resend_id = told) then
        update email_sends set resend_id = told where email_sends.id = mail.id;
    end if;
    perform refresh_email_send(mail.id);
    return query select 'processed'::text, mail.id, mail.enrollment_id;
end
$$;

create or replace function try_uuid(text text) returns uuid
language sql immutable parallel safe
as $$ select case when text ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then text::uuid end $$;

-- What came in before these rows had their ids.
create or replace function adopt_mail_events(sends uuid[]) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed uuid;
begin
    perform pg_advisory_xact_lock(52, 1);
    for changed in
        with adopted as (
            update email_logs log
            set email_send_id = mail.id
            from email_sends mail
            where mail.id = any (sends) and log.resend_id = mail.resend_id and log.email_send_id is null
            returning mail.id
        )
        select distinct adopted.id from adopted
    loop
        perform refresh_email_send(changed);
    end loop;
end
$$;

-- Takes back what is queued and was never tried, for whoever ends a sequence; gone from its batch, refused in the ledger.
create or replace function cancel_queued_mail(enrollments uuid[], why text)
returns table (email_send_id uuid, enrollment_id uuid, sequence_id uuid)
language sql set search_path = public, pg_temp
as $$
    update email_sends mail
    set status = 'refused', reason = why, payload = null, position = null, updated_at = now()
    where mail.enrollment_id = any (enrollments) and mail.status = 'queued'
    returning mail.id, mail.enrollment_id, mail.sequence_id
$$;

-- The provider has a batch: `results` says of every mail in it its id there, or why it alone was refused. False where
-- somebody else has recorded that already.
create or replace function accept_email_batch(batch uuid, results jsonb, at timestamptz) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update email_batches
    set state = 'done', payload = null, claimed_until = null, problem = null, finished_at = at
    where id = batch and state = 'sending';
    if not found then
        return false;
    end if;
    update email_sends mail
    set
        status = case
            when told.problem is not null then 'failed'
            when mail_status_rank(mail.status) < mail_status_rank('sent') then 'sent'
            else mail.status
        end,
        reason = told.problem,
        resend_id = told.resend_id,
        sent_at = case when told.problem is null then least(mail.sent_at, at) end,
        error_message = coalesce(told.problem, mail.error_message),
        payload = null,
        updated_at = now()
    from jsonb_to_recordset(results) as told (id uuid, resend_id text, problem text)
    where mail.id = told.id and mail.batch_id = batch;
    perform adopt_mail_events(array(select id from email_sends where batch_id = batch and resend_id is not null));
    return true;
end
$$;

-- A mail came in; its headers are asked for later. False: it is here already, or of somebody who was erased.
create or replace function keep_inbound_mail(event jsonb) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
declare
    arrived_at text[] := array(select jsonb_array_elements_text(event -> 'to_addresses'));
begin
    if is_erased(null, 'email', event ->> 'address') then
        return false;
    end if;
    insert into inbox_items (org_id, source, external_id, from_address, subject, received_at, to_addresses)
    values (
        coalesce(
            (
                select mail.org_id
                from unnest(arrived_at) as place
                join email_sends mail on mail.reply_token = substring(place from '^reply\+([^@]+)@')
                limit 1
            ),
            (
                select identity.org_id
                from unnest(arrived_at) as place
                join email_identities identity on lower(identity.inbound_domain) = substring(place from '@([^@]+)$')
                limit 1
            ),
            default_org_id()
        ),
        'resend', event ->> 'email_id', event ->> 'from_address', event ->> 'subject', (event ->> 'occurred_at')::timestamptz,
        arrived_at
    )
    on conflict (source, external_id) do nothing;
    return found;
end
$$;

-- What the reader of a mail asked for on its page, or their mail program by itself: no more of its topic, or where it has none
-- or `only_topic` is false no more at all. Safe to call twice; no row where nobody has that token.
create or replace function unsubscribe_reader(token text, only_topic boolean, at timestamptz)
returns table (org_id uuid, address text, topic text)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    mail email_sends;
    wanted text;
begin
    select * into mail from email_sends where unsubscribe_token = token for update;
    if mail.id is null then
        return;
    end if;
    wanted := case when only_topic then mail.topic end;
    if wanted is not null then
        insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
        select mail.org_id, mail.address, wanted, 'unsubscribe', at
        where mail.address is not null
        on conflict do nothing;
    -- Not by the mail's id: whoever consents again and leaves again by the same link has left. A bounce is no word of theirs.
    elsif mail.address is not null
        and coalesce((select suppressed_by from suppression(mail.org_id, 'email', mail.address)), 'hard_bounce') = 'hard_bounce' then
        perform record_consent_events(jsonb_build_array(jsonb_build_object(
            'org_id', mail.org_id, 'channel', 'email', 'address', mail.address, 'kind', 'opt_out',
            'source', 'unsubscribe', 'occurred_at', at
        )));
    end if;
    insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key)
    values (
        mail.id, 'unsubscribed', jsonb_strip_nulls(jsonb_build_object('topic', wanted)), at,
        concat_ws(':', 'unsubscribe', mail.id, wanted)
    )
    on conflict (event_key) do nothing;
    perform refresh_email_send(mail.id);
    return query select mail.org_id, mail.address, wanted;
end
$$;

revoke all on function refresh_email_send(uuid), apply_mail_event(jsonb), adopt_mail_events(uuid[]), cancel_queued_mail(uuid[], text),
    accept_email_batch(uuid, jsonb, timestamptz), keep_inbound_mail(jsonb), unsubscribe_reader(text, boolean, timestamptz)
    from public, anon, authenticated;
grant execute on function refresh_email_send(uuid), apply_mail_event(jsonb), adopt_mail_events(uuid[]), cancel_queued_mail(uuid[], text),
    accept_email_batch(uuid, jsonb, timestamptz), keep_inbound_mail(jsonb), unsubscribe_reader(text, boolean, timestamptz)
    to service_role, crm_relay;
