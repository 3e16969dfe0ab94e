-- Mail and text messages to colleagues beside those of campaigns: each says whose it is, so that the gate knows what holds for it.
set local lock_timeout = '5s';

alter table email_sends add column if not exists purpose text not null default 'campaign';
comment on column email_sends.purpose is
    'Whose mail it is: notification… goes to colleagues, so that no marketing opt-out, cap or pause holds it.';

alter table sms_sends add column if not exists entity_type text;
alter table sms_sends add column if not exists entity_id uuid;
create index if not exists idx_sms_sends_due on sms_sends (purpose, not_before) where status in ('queued', 'sending');

-- Mails to colleagues use up no room of the organization's minute.
create or replace function email_room(wanted_org uuid, at timestamptz) returns table (mails integer, frees_at timestamptz)
language sql stable
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

-- When somebody may get another e-mail under the organization's cap; no row or null: now. What is on its way counts.
create or replace function email_cap(wanted_org uuid, wanted_address text, at timestamptz) returns table (frees_at timestamptz)
language sql stable
as $$
    select latest.at + limits.cap_days * interval '1 day'
    from delivery_limits limits
    cross join lateral (
        select coalesce(sent.left_at, sent.queued_at) as at
        from email_sends sent
        where sent.org_id = wanted_org and sent.address = wanted_address and sent.purpose not like 'notification%'
            and sent.status not in ('refused', 'dry_run', 'failed', 'suppressed')
            and (sent.status = 'queued' or coalesce(sent.left_at, sent.queued_at) > at - limits.cap_days * interval '1 day')
        order by 1 desc
        offset limits.cap_emails - 1
        limit 1
    ) latest
    where limits.org_id = wanted_org and limits.cap_emails is not null
$$;
