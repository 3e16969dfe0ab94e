-- name: sender_weeks
-- How a sender's mail of the last days fared, from its last resumption on.
select
    identity.id,
    count(mail.id)::integer as sent,
    count(mail.id) filter (where mail.bounce_type = 'permanent')::integer as permanent_bounces,
    count(mail.id) filter (where mail.complained_at is not null)::integer as complaints,
    exists (
        select
        from incidents trouble
        where trouble.kind = 'sender_refused' and trouble.subject = identity.id::text and trouble.closed_at is null
            and trouble.opened_at < max(mail.sent_at)
    ) as was_taken_again
from email_identities identity
left join email_sends mail
    on mail.identity_id = identity.id and mail.sent_at > greatest(:since, identity.resumed_at)
where identity.paused_at is null
group by identity.id
union all
-- EMAIL_FROM, the sender of mail without an identity.
select
    null,
    count(mail.id)::integer,
    count(mail.id) filter (where mail.bounce_type = 'permanent')::integer,
    count(mail.id) filter (where mail.complained_at is not null)::integer,
    exists (
        select
        from incidents trouble
        where trouble.kind = 'sender_refused' and trouble.subject = :own_subject and trouble.closed_at is null
            and trouble.opened_at < max(mail.sent_at)
    )
from (select max(resumed_at) as resumed_at, max(paused_at) as paused_at from own_sender) own
left join email_sends mail
    on mail.identity_id is null and mail.sent_at > greatest(:since, own.resumed_at)
where own.paused_at is null
having count(mail.id) > 0;

-- name: batches_cleared_up
-- Batches that were told of as unclear, of which events have shown since what became of every mail.
select trouble.subject
from incidents trouble
where trouble.kind = 'email_unknown' and trouble.closed_at is null
    and not exists (
        select from email_sends mail where mail.batch_id = try_uuid(trouble.subject) and mail.status = 'unknown'
    );

-- name: gone_senders
-- Incidents about senders who were deleted since: nothing leaves in their names that could end them.
select trouble.kind, array_agg(trouble.subject order by trouble.subject) as subjects
from incidents trouble
where trouble.kind in ('sender_refused', 'sender_paused') and trouble.closed_at is null
    and try_uuid(trouble.subject) is not null
    and not exists (select from email_identities identity where identity.id = try_uuid(trouble.subject))
group by trouble.kind
order by trouble.kind;

-- name: pause_senders
-- Nothing more leaves in these names.
update email_identities identity
set paused_at = :now, paused_reason = problem.reason, updated_at = now()
from jsonb_to_recordset(:problems) as problem (id uuid, reason text)
where identity.id = problem.id and identity.paused_at is null;

-- name: pause_own_sender
-- Nothing more leaves in the name of EMAIL_FROM.
insert into own_sender (paused_at, paused_reason) values (:now, :reason)
on conflict (only_one) do update set paused_at = excluded.paused_at, paused_reason = excluded.paused_reason
where own_sender.paused_at is null;

-- name: resume_own_sender
-- By an operator alone; what was held is looked at again with the next run.
insert into own_sender (resumed_at) values (:now)
on conflict (only_one) do update set paused_at = null, paused_reason = null, resumed_at = excluded.resumed_at;

-- name: resume_sender
-- By an operator alone; what was held is looked at again within a quarter of an hour.
update email_identities
set paused_at = null, paused_reason = null, resumed_at = :now, updated_at = now()
where id = :id
returning id;
