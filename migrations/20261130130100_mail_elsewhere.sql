-- E-mails that leave by another way than a batch, such as a connected mailbox: they count for the caps of everything else, and an
-- operator who stops sending hears of those under way. Written by whoever sends them, since the room of mail knows none of them.
set local lock_timeout = '5s';

create table if not exists mail_elsewhere (
    id uuid primary key,
    org_id uuid not null references organizations (id) on delete cascade,
    address text not null,
    purpose text not null,
    left_at timestamptz not null,
    -- While its request is under way.
    leaving_until timestamptz
);
create index if not exists idx_mail_elsewhere_address on mail_elsewhere (address, left_at desc);
create index if not exists idx_mail_elsewhere_leaving on mail_elsewhere (leaving_until) where leaving_until is not null;
create index if not exists idx_mail_elsewhere_org on mail_elsewhere (org_id);
select secure_new_table('mail_elsewhere');
comment on table mail_elsewhere is 'E-mails that left by another way than a batch: they count for the frequency caps.';

-- When somebody may get another e-mail under the organization's cap; no row or null: now. What is on its way counts.
create or replace function email_cap(wanted_org uuid, wanted_address text, at timestamptz) returns table (frees_at timestamptz)
language sql stable
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
