-- The totals of a campaign no longer wait for its row: what changes while another transaction holds it is kept, and added later.
-- Claimers decide one after the other, so one wait there stopped the sending of every organization.
set local lock_timeout = '5s';
select remember_tables();

-- No reference to campaigns: checking it would wait for a campaign's row that is locked for update.
create table if not exists campaign_total_changes (
    id bigint generated always as identity primary key,
    campaign_id uuid not null,
    active integer not null,
    completed integer not null,
    sent integer not null,
    changed_at timestamptz not null default clock_timestamp()
);
create index if not exists idx_campaign_total_changes_campaign on campaign_total_changes (campaign_id);

select secure_new_table('campaign_total_changes', 'exists (
    select from campaigns owner where owner.id = campaign_total_changes.campaign_id and owner.org_id = (select current_org()))');

-- With its owner's rights: whoever may change an enrollment need not be allowed to write totals.
create or replace function count_enrollments() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    totals jsonb;
begin
    if tg_op = 'INSERT' then
        totals := (select jsonb_agg(total) from (
            select
                campaign_id, count(*) filter (where status in ('active', 'engaged')) as active,
                count(*) filter (where status = 'completed') as completed, sum(emails_sent) as sent
            from after_rows group by campaign_id
        ) total);
    elsif tg_op = 'DELETE' then
        totals := (select jsonb_agg(total) from (
            select campaign_id, -count(*) filter (where status in ('active', 'engaged')) as active, 0 as completed, 0 as sent
            from before_rows group by campaign_id
        ) total);
    else
        -- Added and taken away instead of joined row by row: the activation of a campaign changes a million.
        totals := (select jsonb_agg(total) from (
            select
                campaign_id, sum(sign) filter (where status in ('active', 'engaged')) as active,
                sum(sign) filter (where status = 'completed') as completed, sum(sign * emails_sent) as sent
            from (
                select campaign_id, status, emails_sent, 1 as sign from after_rows
                union all
                select campaign_id, status, emails_sent, -1 from before_rows
            ) row
            group by campaign_id
        ) total);
    end if;
    if totals is null then
        return null;
    end if;
    with change as (
        select campaign_id, coalesce(active, 0) as active, coalesce(completed, 0) as completed, coalesce(sent, 0) as sent
        from jsonb_to_recordset(totals) as change (campaign_id uuid, active integer, completed integer, sent integer)
        where coalesce(active, 0) <> 0 or coalesce(completed, 0) <> 0 or coalesce(sent, 0) <> 0
    ),
    -- Never waited for, so that no two can wait for each other either.
    free as materialized (
        select id from campaigns where id in (select campaign_id from change) order by id for no key update skip locked
    ),
    counted as (
        update campaigns owner
        set
            total_active = owner.total_active + change.active,
            total_completed = owner.total_completed + change.completed,
            total_sent = owner.total_sent + change.sent
        from free
        join change on change.campaign_id = free.id
        where owner.id = free.id
    )
    insert into campaign_total_changes (campaign_id, active, completed, sent)
    select change.campaign_id, change.active, change.completed, change.sent
    from change
    where change.campaign_id not in (select id from free)
        -- A campaign that is deleted takes its enrollments with it.
        and exists (select from campaigns owner where owner.id = change.campaign_id);
    return null;
end
$$;

-- The totals as they are once every change is added.
create or replace view campaign_totals with (security_invoker = true) as
select
    campaign.id as campaign_id,
    (campaign.total_active + coalesce(waiting.active, 0))::integer as total_active,
    (campaign.total_completed + coalesce(waiting.completed, 0))::integer as total_completed,
    (campaign.total_sent + coalesce(waiting.sent, 0))::integer as total_sent
from campaigns campaign
left join lateral (
    select sum(change.active) as active, sum(change.completed) as completed, sum(change.sent) as sent
    from campaign_total_changes change
    where change.campaign_id = campaign.id
) waiting on true;

revoke all on campaign_totals from public, anon, authenticated;
grant select on campaign_totals to authenticated, service_role, crm_relay;

comment on table campaign_total_changes is
    'Changes of a campaign''s totals while its row was locked; campaign_cron adds them once the row is free.';
comment on view campaign_totals is 'Per campaign its totals, with the changes that are not added to its row yet.';
