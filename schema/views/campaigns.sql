-- Views of campaigns. Written by `make schema`: change it by a migration.


create view campaign_step_accounting with (security_invoker = true) as
select
    step.campaign_id,
    step.id as sequence_id,
    step.step_number,
    step.channel,
    step.reached,
    coalesce(lines.sent, 0::bigint)::integer as sent,
    coalesce(lines.skipped, 0::bigint)::integer as skipped,
    coalesce(lines.failed, 0::bigint)::integer as failed,
    coalesce(lines.pending, 0::bigint)::integer as pending,
    coalesce(lines.stopped, 0::bigint)::integer as stopped,
    step.reached = coalesce(lines.total, 0::bigint) as holds
from campaign_sequences step
left join lateral (
    select
        count(*) as total,
        count(*) filter (where line.status = 'sent') as sent,
        count(*) filter (where line.status = 'skipped') as skipped,
        count(*) filter (where line.status = 'failed') as failed,
        count(*) filter (where line.status = 'pending') as pending,
        count(*) filter (where line.status = 'stopped') as stopped
    from (
        select campaign_sequence_logs.status
        from campaign_sequence_logs
        where campaign_sequence_logs.sequence_id = step.id
        union all
        select campaign_sequence_logs_archive.status
        from campaign_sequence_logs_archive
        where campaign_sequence_logs_archive.sequence_id = step.id
    ) line
) lines on true;

comment on view campaign_step_accounting is 'Per step: reached = sent + skipped + failed + pending + stopped, or holds is false.';
grant select on campaign_step_accounting to authenticated, crm_relay, service_role;


create view campaign_totals with (security_invoker = true) as
select
    campaign.id as campaign_id,
    (campaign.total_active + coalesce(waiting.active, 0::bigint))::integer as total_active,
    (campaign.total_completed + coalesce(waiting.completed, 0::bigint))::integer as total_completed,
    (campaign.total_sent + coalesce(waiting.sent, 0::bigint))::integer as total_sent
from campaigns campaign
left join lateral (
    select
        sum(change.active) as active,
        sum(change.completed) as completed,
        sum(change.sent) as sent
    from campaign_total_changes change
    where change.campaign_id = campaign.id
) waiting on true;

comment on view campaign_totals is 'Per campaign its totals, with the changes that are not added to its row yet.';
grant select on campaign_totals to authenticated, crm_relay, service_role;


create view reply_matches with (security_invoker = true) as
select
    item.id as inbox_item_id,
    item.source,
    item.received_at,
    item.is_auto_reply,
    item.source = 'resend' and item.headers_read_at is null as lacks_headers,
    coalesce(item.thread_id, item.reference_ids[1], item.in_reply_to) as thread_id,
    matched.enrollment_id,
    (exists (
        select
        from campaign_sequence_logs line
        join campaign_sequences step on step.id = line.sequence_id
        where line.enrollment_id = matched.enrollment_id and step.stop_on_reply
            and ((line.status in ('sent', 'pending')) or line.status = 'failed' and line.reason = 'unknown')
    )) as follows_stopping_step,
    (exists (
        select
        from campaign_enrollments enrollment
        join campaign_sequences step on step.campaign_id = enrollment.campaign_id
        where enrollment.id = matched.enrollment_id and step.stop_on_reply
    )) as has_stopping_step
from inbox_items item
left join lateral (
    select mail.enrollment_id
    from unnest(item.in_reply_to || item.reference_ids) named(id)
    join email_sends mail on mail.message_id = named.id or mail.message_id = btrim(named.id, '<>'::text)
        or mail.message_id = (('<'::text || btrim(named.id, '<>'::text)) || '>')
    where mail.enrollment_id is not null
    order by (named.id = item.in_reply_to) desc nulls last, mail.queued_at desc
    limit 1
) by_message on true
left join lateral (
    select mail.enrollment_id
    from unnest(item.to_addresses) named(address)
    join email_sends mail on mail.reply_token = "substring"(lower(named.address), '\+([^+@]+)@'::text)
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
    where by_message.enrollment_id is null and by_token.enrollment_id is null and (item.source in ('bison', 'gmail'))
        and normalise_address(person.email) = normalise_address(item.from_address)
        and theirs.org_id = coalesce(item.org_id, default_org_id()) and theirs.created_at <= item.received_at
        and (theirs.status in ('active', 'engaged', 'paused'))
) matched
where item.followed_at is null;

comment on view reply_matches is 'Replies that campaigns have not looked at, and whose each one is.';
grant select on reply_matches to crm_relay, service_role;
