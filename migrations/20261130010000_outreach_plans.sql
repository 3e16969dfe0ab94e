-- What every event of EmailBison asks of its workspace has a kept plan, and is asked once: in SQL these functions were planned
-- again by each caller, and a counter asked four times for the same name.
set local lock_timeout = '5s';

create or replace function workspace_key(its_name text) returns text
language plpgsql stable
as $$
begin
    return coalesce(
        (
            select first.name
            from public.workspace_names first
            where first.workspace_id = (select known.workspace_id from public.workspace_names known where known.name = its_name)
            order by first.since, first.name
            limit 1
        ),
        its_name
    );
end
$$;

create or replace function workspace_now(its_name text) returns text
language plpgsql stable
as $$
begin
    return coalesce(
        (
            select workspace.name
            from public.workspace_names known
            join public.workspaces workspace on workspace.id = known.workspace_id
            where known.name = its_name
        ),
        its_name
    );
end
$$;

revoke all on function workspace_now(text) from authenticated;

create or replace function workspace_zone(workspace text) returns text
language plpgsql stable
as $$
begin
    return public.usable_zone(
        (
            select ours.timezone
            from public.workspace_names known
            join public.workspaces ours on ours.id = known.workspace_id
            where known.name = workspace
        )
    );
end
$$;
revoke all on function workspace_zone(text) from public, anon;
grant execute on function workspace_zone(text) to authenticated, service_role, crm_relay;

create or replace function workspace_month(workspace text, at timestamptz) returns date
language plpgsql stable
as $$
begin
    return date_trunc('month', at at time zone public.workspace_zone(workspace));
end
$$;

create or replace function count_outreach(workspace text, wanted text, n integer, happened_at timestamptz) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    zone text := workspace_zone(workspace);
    its_month date := date_trunc('month', happened_at at time zone zone);
    this_month date := date_trunc('month', now() at time zone zone);
begin
    for attempt in 1..2 loop
        update client_metrics
        set
            emails_sent_mtd = coalesce(emails_sent_mtd, 0) + case wanted when 'emails_sent_mtd' then n else 0 end,
            positive_replies_mtd = coalesce(positive_replies_mtd, 0) + case wanted when 'positive_replies_mtd' then n else 0 end,
            replies_mtd = coalesce(replies_mtd, 0) + case wanted when 'replies_mtd' then n else 0 end,
            bounced_mtd = coalesce(bounced_mtd, 0) + case wanted when 'bounced_mtd' then n else 0 end,
            unsubscribed_mtd = coalesce(unsubscribed_mtd, 0) + case wanted when 'unsubscribed_mtd' then n else 0 end,
            updated_at = clock_timestamp()
        -- An event from a clock ahead of ours may have made the month's row while the month before was the current one.
        where workspace_name = workspace and month = its_month and (metric_type = 'mtd' or its_month <> this_month);
        if found then
            return;
        end if;
        if its_month = this_month then
            perform open_month(workspace, now());
        else
            insert into client_metrics (workspace_name, month, metric_type)
            values (workspace, its_month, 'month')
            on conflict (workspace_name, month) do nothing;
        end if;
    end loop;
end
$$;

create or replace function add_event_keys(its_workspace text, its_keys text[], alone boolean) returns void
language plpgsql
as $$
begin
    insert into public.outreach_event_keys (workspace_key, event_key, is_alone)
    select its_workspace, its_key, alone from unnest(its_keys) as its_key;
end
$$;
revoke all on function add_event_keys(text, text[], boolean) from public, anon, authenticated;
grant execute on function add_event_keys(text, text[], boolean) to service_role, crm_relay;

-- With whether automatic replies count; the workspace is read once, behind the lock that a rename waits for.
drop function if exists lock_outreach(text, text[], bigint[], text[], bigint[], text, bigint[]);
create function lock_outreach(
    workspace text, marks text[], account_ids bigint[], metrics text[], interested bigint[], instance text, changing bigint[],
    out workspace_id uuid, out org_id uuid, out bison_workspace_id bigint, out bison_instance_url text, out was_rejected boolean,
    out fillings jsonb, out leads jsonb, out accounts jsonb,
    out its_key text, out its_name text, out counts_automated boolean
)
language plpgsql
as $$
declare
    mark text;
    its_id bigint;
    found_row record;
begin
    its_key := public.workspace_key(workspace);
    perform pg_advisory_xact_lock_shared(hashtextextended(its_key, 30));
    select ours.id, ours.org_id, ours.bison_workspace_id, ours.bison_instance_url, ours.name, ours.counts_automated_replies
    into workspace_id, org_id, bison_workspace_id, bison_instance_url, its_name, counts_automated
    from public.workspace_names known
    join public.workspaces ours on ours.id = known.workspace_id
    where known.name = workspace;
    its_name := coalesce(its_name, workspace);
    org_id := coalesce(org_id, public.default_org_id());
    counts_automated := coalesce(counts_automated, false);
    foreach mark in array marks loop
        perform pg_advisory_xact_lock(hashtextextended(its_key || substring(mark from '/[0-9]+$'), 31));
    end loop;
    for place in 1 .. cardinality(account_ids) loop
        for found_row in
            select id, amount, occurred_at, sender_email_id
            from public.webhook_delivery_log log
            where log.origin = 'polled' and log.amount <> 0 and log.workspace_name = its_key
                and (log.sender_email_id = account_ids[place] or account_ids[place] < 0) and log.metric = metrics[place]
            order by id
            for update
        loop
            fillings := coalesce(fillings, '[]') || jsonb_build_object(
                'account_id', account_ids[place], 'metric', metrics[place], 'id', found_row.id, 'amount', found_row.amount,
                'occurred_at', found_row.occurred_at, 'of_account', found_row.sender_email_id
            );
        end loop;
    end loop;
    foreach its_id in array changing loop
        select workspace_name, status, status_at, recheck_since, removed_at into found_row
        from public.sender_emails_cache
        where bison_instance = instance and sender_email_id = its_id
        for update;
        if found then
            accounts := coalesce(accounts, '[]') || (to_jsonb(found_row) || jsonb_build_object('account_id', its_id));
        end if;
    end loop;
    foreach its_id in array interested loop
        select lead_id, told_at, told_by into found_row from public.client_leads where workspace_name = its_name and lead_id = its_id;
        if found then
            leads := coalesce(leads, '[]') || to_jsonb(found_row);
        else
            leads := coalesce(leads, '[]') || (
                select jsonb_build_object('lead_id', its_id, 'logged', jsonb_object_agg(newest.event_type, newest.at))
                from (
                    select log.event_type, max(log.occurred_at) as at
                    from public.webhook_delivery_log log
                    where log.workspace_name = its_key and log.lead_id = its_id and log.is_first
                    group by log.event_type
                ) newest
            );
        end if;
    end loop;
    was_rejected := exists (select from public.webhook_rejections where source = 'bison' and claimed = its_name and in_a_row > 0);
end
$$;
revoke all on function lock_outreach(text, text[], bigint[], text[], bigint[], text, bigint[]) from public, anon, authenticated;
grant execute on function lock_outreach(text, text[], bigint[], text[], bigint[], text, bigint[]) to service_role, crm_relay;
