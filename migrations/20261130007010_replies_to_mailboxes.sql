-- A reply to a mailbox of ours answers everything that its sender is enrolled in, as one to an account of EmailBison does.
-- replaces: and item.source = 'bison'
set local lock_timeout = '5s';

create or replace view reply_matches with (security_invoker = true) as
select
    item.id as inbox_item_id,
    item.source,
    item.received_at,
    item.is_auto_reply,
    -- Only replies that came by Resend's webhook have headers that are read later.
    item.source = 'resend' and item.headers_read_at is null as lacks_headers,
    coalesce(item.thread_id, item.reference_ids[1], item.in_reply_to) as thread_id,
    matched.enrollment_id,
    -- The answer itself proves that what was parked as unknown did arrive.
    exists (
        select
        from campaign_sequence_logs line
        join campaign_sequences step on step.id = line.sequence_id
        where line.enrollment_id = matched.enrollment_id and step.stop_on_reply
            and (line.status in ('sent', 'pending') or line.status = 'failed' and line.reason = 'unknown')
    ) as follows_stopping_step,
    exists (
        select
        from campaign_enrollments enrollment
        join campaign_sequences step on step.campaign_id = enrollment.campaign_id
        where enrollment.id = matched.enrollment_id and step.stop_on_reply
    ) as has_stopping_step
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
        and item.source in ('bison', 'gmail')
        and normalise_address(person.email) = normalise_address(item.from_address)
        and theirs.org_id = coalesce(item.org_id, default_org_id())
        and theirs.created_at <= item.received_at
        and theirs.status in ('active', 'engaged', 'paused')
) matched
where item.followed_at is null;
revoke all on reply_matches from public, anon, authenticated;
grant select on reply_matches to service_role, crm_relay;
comment on view reply_matches is 'Replies that campaigns have not looked at, and whose each one is.';
