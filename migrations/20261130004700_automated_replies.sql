-- Automatic replies count only in workspaces that want it.
-- replaces: select log.sender_email_id, log.metric, sum(log.amount) as amount
-- replaces: and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at and log.amount <> 0
set local lock_timeout = '5s';

alter table workspaces add column if not exists counts_automated_replies boolean not null default false;
comment on column workspaces.counts_automated_replies is 'Whether a reply that EmailBison calls automated counts as a reply.';

create or replace function settle_bison_accounts(workspace text, settled_before timestamptz, fills boolean)
returns table (account_id bigint, metric text, missing integer)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock(hashtextextended(workspace, 30));
    return query
    with ready as materialized (
        select sender_email_id, settled, settled_at, settling, settling_at
        from sender_emails_cache
        where workspace_name = workspace and settling_at <= settled_before
    ),
    shown as (
        select sender_email_id, each.key as metric, settled_at, settling_at,
            each.value::bigint - (settled ->> each.key)::bigint as happened,
            coalesce((settled -> 'ahead' ->> each.key)::bigint, 0) as ahead
        from ready
        cross join lateral jsonb_each_text(settling - 'workspace') as each
        -- What an account did before it was moved here was counted there.
        where settled ->> 'workspace' = workspace and settling ->> 'workspace' = workspace
    ),
    counted as (
        -- An automatic reply is in EmailBison's totals and in none of ours: it is not missing.
        select log.sender_email_id, coalesce(log.metric, 'replies_mtd') as metric,
            sum(case when log.metric is null then 1 else log.amount end) as amount
        from ready
        join webhook_delivery_log log
            on log.workspace_name = workspace and log.sender_email_id = ready.sender_email_id
            and log.occurred_at > ready.settled_at and log.occurred_at <= ready.settling_at
            and (log.amount <> 0 or log.is_first and log.metric is null and log.event_type = 'lead_replied')
        group by 1, 2
    ),
    filled as (
        select sender_email_id, metric, sum(amount) as amount
        from webhook_delivery_log
        where workspace_name = workspace and origin = 'polled' and amount <> 0
        group by 1, 2
    ),
    gap as materialized (
        -- Totals that fell belong to an account that was made anew: nothing can be said of that time.
        select shown.sender_email_id, shown.metric, shown.settling_at,
            greatest(shown.happened - shown.ahead - coalesce(counted.amount, 0), -coalesce(filled.amount, 0))::integer as missing,
            coalesce(counted.amount, 0) - shown.happened as surplus
        from shown
        left join counted on counted.sender_email_id = shown.sender_email_id and counted.metric = shown.metric
        left join filled on filled.sender_email_id = shown.sender_email_id and filled.metric = shown.metric
        where shown.happened >= 0
    ),
    noted as (
        insert into webhook_delivery_log
            (event_type, workspace_name, success, origin, event_key, is_first, metric, amount, occurred_at, sender_email_id)
        select
            'polled_total', workspace, true, 'polled',
            'polled:' || gap.sender_email_id || ':' || gap.metric || ':' || extract(epoch from gap.settling_at), true,
            gap.metric, gap.missing, gap.settling_at, gap.sender_email_id
        from gap
        where fills and gap.missing <> 0
        order by gap.sender_email_id, gap.metric
        on conflict (workspace_name, event_key) where is_first do nothing
        returning metric, amount, occurred_at
    ),
    moved as (
        select count_outreach(workspace, total.metric, total.amount, total.occurred_at)
        from (select metric, sum(amount)::integer as amount, occurred_at from noted group by metric, occurred_at) total
    ),
    advanced as (
        update sender_emails_cache account
        -- What was counted before the totals showed it, and not taken back, is expected to be shown next time.
        set settled = account.settling || jsonb_build_object('ahead', coalesce((
                select jsonb_object_agg(gap.metric, gap.surplus + least(gap.missing, 0))
                from gap
                where gap.sender_email_id = account.sender_email_id and gap.surplus + least(gap.missing, 0) > 0
            ), '{}')), settled_at = account.settling_at, settling = null, settling_at = null
        from ready
        where fills and account.sender_email_id = ready.sender_email_id and account.workspace_name = workspace
    )
    select gap.sender_email_id, gap.metric, gap.missing
    from gap
    -- Asked for by a condition: a join that nothing is taken from would not be carried out, and no counter moved.
    where gap.missing <> 0 and (select count(*) from moved) >= 0
    order by gap.sender_email_id, gap.metric;
end
$$;
