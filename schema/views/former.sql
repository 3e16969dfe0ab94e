-- Views of former. Written by `make schema`: change it by a migration.


create view unfollowed_replies with (security_invoker = true) as
select
    item.id as inbox_item_id,
    item.received_at,
    item.is_auto_reply,
    item.source <> 'resend' or item.headers_read_at is not null as is_read,
    coalesce(item.thread_id, item.reference_ids[1], item.in_reply_to) as thread_id,
    enrollment.id as enrollment_id,
    not item.is_auto_reply and ((exists (
        select
        from campaign_sequence_logs line
        join campaign_sequences step on step.id = line.sequence_id
        where line.enrollment_id = enrollment.id and step.stop_on_reply
            and ((line.status in ('sent', 'pending')) or line.status = 'failed' and line.reason = 'unknown')
    )) or item.source = 'bison' and (exists (
        select
        from campaign_sequences step
        where step.campaign_id = enrollment.campaign_id and step.stop_on_reply
    ))) as stops
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
    where by_message.enrollment_id is null and by_token.enrollment_id is null and item.source = 'bison'
        and normalise_address(person.email) = normalise_address(item.from_address)
        and theirs.org_id = coalesce(item.org_id, default_org_id()) and theirs.created_at <= item.received_at
        and (theirs.status in ('active', 'engaged', 'paused'))
) matched
join campaign_enrollments enrollment on enrollment.id = matched.enrollment_id
where item.followed_at is null;

comment on view unfollowed_replies is 'Replies that campaigns have not looked at, whose each one is, and whether it ends the sequence.';
grant select on unfollowed_replies to crm_relay, service_role;
