-- name: apply_mail_event
-- Log, state and consent of one event in one call.
select result from apply_mail_event(:event);

-- name: keep_inbound_mail
-- A reply, or any other mail that came in; once.
select keep_inbound_mail(:event) as is_new;

-- name: leave_topics
-- No more of these; an opt-out from a topic is never taken back by itself. Who was erased stays away without a row.
insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
select default_org_id(), :address, topic, :source, :at
from unnest(cast(:topics as text[])) as topic
where not is_erased(null, 'email', :address)
on conflict do nothing
returning topic;

-- name: headers_to_read
-- Replies whose headers are not known yet; who was asked for in vain waits behind the others.
select id, external_id
from inbox_items
where source = :source and headers_read_at is null and received_at > :since
order by updated_at, received_at
limit :limit;

-- name: asked_in_vain
-- Next time the others come first.
update inbox_items
set updated_at = now()
where id = any (cast(:ids as uuid[])) and headers_read_at is null;

-- name: keep_headers
-- What tells a reply to which mail, and an automatic answer from a person's.
update inbox_items item
set
    in_reply_to = read.in_reply_to,
    reference_ids = coalesce(read.reference_ids, '{}'),
    thread_id = coalesce(read.thread_id, item.thread_id),
    is_auto_reply = read.is_auto_reply,
    headers_read_at = :now,
    updated_at = now()
from jsonb_to_recordset(:read) as read (id uuid, in_reply_to text, reference_ids text[], thread_id text, is_auto_reply boolean)
where item.id = read.id;

-- name: give_up_headers
-- After a day they count as read: whoever wrote is still known by the address that was written to.
update inbox_items
set headers_read_at = :now, updated_at = now()
where source = :source and headers_read_at is null and received_at <= :since
returning id;

-- name: reader_of
-- What the page behind a link has to say; the address itself stays here.
select
    mail.topic, organization.name as organization,
    left(mail.address, 1) as first_letter, substring(mail.address from '@(.)') as domain_letter,
    substring(mail.address from '(\.[^.@]+)$') as ending,
    (select suppressed_by from suppression(mail.org_id, 'email', mail.address)) is not null or mail.address is null as is_out,
    exists (
        select
        from topic_opt_outs refused
        where refused.org_id = mail.org_id and refused.address = mail.address and refused.topic = mail.topic
    ) as is_out_of_topic
from email_sends mail
left join organizations organization on organization.id = mail.org_id
where mail.unsubscribe_token = :token;

-- name: unsubscribe_reader
-- Into the ledger and onto the mail, in one call.
select org_id, address, topic from unsubscribe_reader(:token, :only_topic, :at);

-- name: refuse_waiting
-- Whatever is still here of what somebody does not want, whoever queued it.
update email_sends
set
    status = 'refused', reason = case when cast(:topic as text) is null then 'opt_out' else 'topic_opt_out' end, payload = null,
    position = null, updated_at = now()
where address = :address and org_id = :org_id and status = 'queued' and (cast(:topic as text) is null or topic = :topic);
