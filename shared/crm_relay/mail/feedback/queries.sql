-- name: lock_mails
-- The mails that a batch is about, locked by id. Each row is the one that was locked, also where another transaction was waited for.
select
    id, org_id, enrollment_id, campaign_id, sequence_id, address, topic, links, unsubscribe_token, resend_id, status, sent_at, message_id,
    delivered_at, opened_at, opened_count, human_opens, first_human_open_at, clicked_at, clicked_count, human_clicks,
    first_human_click_at, last_human_at, bounced_at, bounce_type, complained_at, unsubscribed_at, error_message
from email_sends
where id = any (cast(:sends as uuid[])) or resend_id = any (cast(:email_ids as text[]))
order by id
for no key update;

-- name: lock_mails_of_tags
-- The same where each is named by our own id, as nearly all are.
select
    id, org_id, enrollment_id, campaign_id, sequence_id, address, topic, links, unsubscribe_token, resend_id, status, sent_at, message_id,
    delivered_at, opened_at, opened_count, human_opens, first_human_open_at, clicked_at, clicked_count, human_clicks,
    first_human_click_at, last_human_at, bounced_at, bounce_type, complained_at, unsubscribed_at, error_message
from email_sends
where id = any (cast(:sends as uuid[]))
order by id
for no key update;

-- name: lock_mails_of_tokens
-- The same for those that hold one of these links to unsubscribe.
select
    id, org_id, enrollment_id, campaign_id, sequence_id, address, topic, links, unsubscribe_token, resend_id, status, sent_at, message_id,
    delivered_at, opened_at, opened_count, human_opens, first_human_open_at, clicked_at, clicked_count, human_clicks,
    first_human_click_at, last_human_at, bounced_at, bounce_type, complained_at, unsubscribed_at, error_message,
    purpose, entity_type, entity_id
from email_sends
where unsubscribe_token = any (cast(:tokens as text[]))
order by id
for no key update;

-- name: lock_mail
-- The same for a single one, and all that was reported of it, with kept plans.
select lock_mail(:send) as found;

-- name: logs_of
-- All that was reported of these mails so far.
select log.id, log.email_send_id, log.event_type, log.event_data, log.occurred_at, log.event_key, log.verdict, log.verdict_reason
from email_sends mail
join email_logs log on log.email_send_id = mail.id
where mail.id = any (cast(:sends as uuid[])) or mail.resend_id = any (cast(:email_ids as text[]));

-- name: logs_of_tags
-- The same where each is named by our own id.
select id, email_send_id, event_type, event_data, occurred_at, event_key, verdict, verdict_reason
from email_logs
where email_send_id = any (cast(:sends as uuid[]));

-- name: logs_of_tokens
-- The same for the mails that hold one of these links.
select log.id, log.email_send_id, log.event_type, log.event_data, log.occurred_at, log.event_key, log.verdict, log.verdict_reason
from email_sends mail
join email_logs log on log.email_send_id = mail.id
where mail.unsubscribe_token = any (cast(:tokens as text[]));

-- name: known_events
-- Which of these the log has, of whichever mail.
select event_key from email_logs where event_key = any (cast(:keys as text[]));

-- name: wait_for_answers
-- An answer of the provider gives mails their ids and then looks for events that wait: this comes before it or after it.
select pg_advisory_xact_lock_shared(52, 1);

-- name: add_logs
-- New events; the index on their keys refuses one that is here.
insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key, resend_id, verdict, verdict_reason)
select email_send_id, event_type, event_data, occurred_at, event_key, resend_id, verdict, verdict_reason
from :logs as log (
    email_send_id uuid, event_type text, event_data jsonb, occurred_at timestamptz, event_key text, resend_id text, verdict text,
    verdict_reason text
);

-- name: judge_logs
-- Earlier opens and clicks that later events show in another light.
update email_logs log
set verdict = judged.verdict, verdict_reason = judged.verdict_reason
from :judged as judged (id uuid, verdict text, verdict_reason text)
where log.id = judged.id;

-- name: record_mails
-- What became of these mails.
update email_sends mail
set
    status = now.status, resend_id = now.resend_id, message_id = now.message_id, sent_at = now.sent_at, delivered_at = now.delivered_at,
    opened_at = now.opened_at, opened_count = now.opened_count, human_opens = now.human_opens,
    first_human_open_at = now.first_human_open_at, clicked_at = now.clicked_at, clicked_count = now.clicked_count,
    human_clicks = now.human_clicks, first_human_click_at = now.first_human_click_at, last_human_at = now.last_human_at,
    bounced_at = now.bounced_at, bounce_type = now.bounce_type, complained_at = now.complained_at,
    unsubscribed_at = now.unsubscribed_at, error_message = now.error_message, updated_at = now()
from :mails as now (
    id uuid, status text, resend_id text, message_id text, sent_at timestamptz, delivered_at timestamptz, opened_at timestamptz,
    opened_count integer, human_opens integer, first_human_open_at timestamptz, clicked_at timestamptz, clicked_count integer,
    human_clicks integer, first_human_click_at timestamptz, last_human_at timestamptz, bounced_at timestamptz, bounce_type text,
    complained_at timestamptz, unsubscribed_at timestamptz, error_message text
)
where mail.id = now.id;

-- name: record_mail_event
-- A new event of a single mail, and what became of the mail, with kept plans.
select record_mail_event(
    :id, :event_type, :event_data, :occurred_at, :event_key, :reported_id, :verdict, :verdict_reason, :status, :resend_id, :message_id, :sent_at,
    :delivered_at, :opened_at, :opened_count, :human_opens, :first_human_open_at, :clicked_at, :clicked_count, :human_clicks,
    :first_human_click_at, :last_human_at, :bounced_at, :bounce_type, :complained_at, :unsubscribed_at, :error_message
) as recorded;

-- name: finish_batch
-- The provider has answered; nobody else has recorded that.
update email_batches
set state = 'done', payload = null, claimed_until = null, problem = null, finished_at = :now
where id = :batch_id and state = 'sending' and generation = :generation
returning id;

-- name: lock_accepted
-- The mails that the answer is about, locked by id. Each row is the one that was locked; what the answer alone decides by.
select id, status, sent_at, error_message
from email_sends
where id = any (cast(:ids as uuid[])) and batch_id = :batch_id
order by id
for no key update;

-- name: hold_events
-- Against events of mails that get their ids at this moment: whichever comes second finds what the other one left.
select pg_advisory_xact_lock(52, 1);

-- name: reported_before
-- What came in before these mails had their ids, and what is known of them by their tag.
select id, email_send_id, event_type, event_data, occurred_at, event_key, verdict, verdict_reason, resend_id
from email_logs
where email_send_id is null and resend_id = any (cast(:email_ids as text[]))
union all
select id, email_send_id, event_type, event_data, occurred_at, event_key, verdict, verdict_reason, resend_id
from email_logs
where email_send_id = any (cast(:ids as uuid[]));

-- name: adopt_logs
-- Events that have found their mail; of somebody who was erased meanwhile only what may be kept.
update email_logs log
set
    email_send_id = adopted.email_send_id, event_data = adopted.event_data, verdict = adopted.verdict,
    verdict_reason = adopted.verdict_reason
from :logs as adopted (id uuid, email_send_id uuid, event_data jsonb, verdict text, verdict_reason text)
where log.id = adopted.id;

-- name: record_accepted
-- What the answer made of these mails; what events made of some of them is recorded behind it.
update email_sends mail
set
    status = now.status, reason = now.reason, resend_id = theirs.resend_id, sent_at = now.sent_at, error_message = now.error_message,
    payload = null, updated_at = now()
from :mails as now (ids uuid[], resend_ids text[], status text, reason text, sent_at timestamptz, error_message text)
cross join unnest(now.ids, now.resend_ids) as theirs (id, resend_id)
where mail.id = theirs.id;

-- name: find_inbound
-- Of mail that came in: whose reply tokens it was sent to, whose domains, and whether its sender was erased.
select
    mail.email_id,
    array(select distinct known.org_id from email_sends known where known.reply_token = any (mail.tokens)) as of_tokens,
    array(
        select distinct identity.org_id
        from email_identities identity
        where lower(identity.inbound_domain) = any (mail.domains)
    ) as of_domains,
    exists (select from inbox_items item where item.source = :source and item.external_id = mail.email_id) as is_known,
    default_org_id() as default_org_id, is_erased(null, 'email', mail.address) as is_erased
from :mails as mail (email_id text, address text, tokens text[], domains text[]);

-- name: keep_inbound
-- Mail that came in, once; its headers are asked for later.
insert into inbox_items (
    org_id, source, external_id, from_address, subject, received_at, to_addresses, quarantined_for, is_auto_reply
)
select org_id, source, external_id, from_address, subject, received_at, to_addresses, quarantined_for, is_auto_reply
from :mails as mail (
    org_id uuid, source text, external_id text, from_address text, subject text, received_at timestamptz, to_addresses text[],
    quarantined_for text, is_auto_reply boolean
)
on conflict (source, external_id) do nothing;

-- name: organizations_of
-- Which organizations hold these addresses or have mailed them.
select
    given.address, known.org_id,
    array(select topic from topic_opt_outs gone where gone.org_id = known.org_id and gone.address = given.address) as left_topics
from unnest(cast(:addresses as text[])) as given (address)
cross join lateral (
    select mail.org_id from email_sends mail where mail.address = given.address
    union
    select coalesce(person.org_id, default_org_id()) from contacts person where normalise_address(person.email) = given.address
    union
    select coalesce(owner.org_id, default_org_id())
    from customer_emails held
    join customer_profiles owner on owner.id = held.customer_id
    where normalise_address(held.email) = given.address
    union
    -- The provider's list is the installation's own.
    select default_org_id()
) known
order by given.address, known.org_id;

-- name: topics_at_provider
-- What topics of the provider are called here.
select external_id, topic from provider_topics where provider = :provider and external_id = any (cast(:topics as text[]));

-- name: name_topic
-- From now on, and for everybody who has left it before, the provider's topic is this one.
with named as (
    insert into provider_topics as known (provider, external_id, topic)
    values (:provider, :external_id, :topic)
    on conflict (provider, external_id) do update set topic = excluded.topic, updated_at = now()
    returning known.topic
),
left_before as (
    insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
    select gone.org_id, gone.address, named.topic, gone.source, gone.occurred_at
    from named
    join topic_opt_outs gone on gone.topic = :external_id and gone.source = :provider
    on conflict do nothing
    returning 1
)
select count(*)::integer as opt_outs from left_before;

-- name: named_topics
-- Which topics of the provider have a name here.
select external_id, topic from provider_topics where provider = :provider order by topic, external_id;

-- name: leave_topics
-- No more of these; an opt-out from a topic is never taken back by itself.
insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
select org_id, address, topic, source, occurred_at
from :left as given (org_id uuid, address text, topic text, source text, occurred_at timestamptz)
on conflict do nothing;

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
-- After a day they count as read: anyone who wrote is still known by the address that was written to.
update inbox_items
set headers_read_at = :now, updated_at = now()
where source = :source and headers_read_at is null and received_at <= :since
returning id;

-- name: reader_of
-- What the page behind a link has to say; the address itself stays here.
select
    mail.topic, mail.purpose, organization.name as organization,
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

-- name: suppressions_of
-- Whether the ledger keeps mail from these addresses, by which word.
select given.org_id, given.address, suppressed.suppressed_by
from (
    select distinct org_id, address from email_sends where unsubscribe_token = any (cast(:tokens as text[])) and address is not null
) given
cross join lateral suppression(given.org_id, 'email', given.address) suppressed;

-- name: refuse_waiting
-- Whatever is still here of what somebody does not want, no matter who queued it.
with refused as (
    select mail.id, gone.reason
    from :gone as gone (org_id uuid, address text, topic text, reason text)
    join email_sends mail on mail.address = gone.address and mail.org_id = gone.org_id
    where mail.status = 'queued' and (gone.topic is null or mail.topic = gone.topic) and mail.purpose not like 'notification%'
    order by mail.id
    for no key update of mail
)
update email_sends mail
set status = 'refused', reason = refused.reason, payload = null, position = null, updated_at = now()
from refused
where mail.id = refused.id and mail.status = 'queued';
