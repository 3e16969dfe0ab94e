-- Opens and clicks move no total of a campaign: what counts enrollments ends there, instead of running its writes for nothing.
-- With its owner's rights: whoever may change an enrollment need not be allowed to write totals.
set local lock_timeout = '5s';

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
        totals := (
            select jsonb_agg(total)
            from (
                select
                    campaign_id, sum(sign) filter (where status in ('active', 'engaged')) as active,
                    sum(sign) filter (where status = 'completed') as completed, sum(sign * emails_sent) as sent
                from (
                    select campaign_id, status, emails_sent, 1 as sign from after_rows
                    union all
                    select campaign_id, status, emails_sent, -1 from before_rows
                ) row
                group by campaign_id
            ) total
            where active <> 0 or completed <> 0 or sent <> 0
        );
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
