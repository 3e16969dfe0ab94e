-- What a delivery of EmailBison means is decided in Python. These functions decide nothing: they lock, read and write, and are
-- functions because their plans are cached; planning the same statements for each delivery would cost more than running them.
--
-- The version that is running during a deployment still calls apply_bison_delivery, keep_lead, keep_account_state,
-- log_bison_attempt, count_bison_attempt and milliseconds_so_far. The next release removes them.
set local lock_timeout = '5s';

-- The locks of one workspace's deliveries, then what is known; each statement sees what was committed before it. The
-- reconciliation takes the first lock alone: what it finds missing must not be on its way in. The locks of leads: an interested
-- lead is made from what the log knows of it, and nothing may be added meanwhile.
--
-- `fillings`: lines that were filled in for the account and the counter at the same place of `account_ids` and `metrics`.
-- `leads`: of `interested`, when the lead was last called interested and by which event; of one that has no row the time of the
-- newest event of each type in the log. `accounts`: the state of `changing`. Null where there is none. Fillings and accounts stay
-- as they are until the end of the transaction.
create or replace function lock_outreach(
    workspace text, marks text[], account_ids bigint[], metrics text[], interested bigint[], instance text, changing bigint[],
    out workspace_id uuid, out org_id uuid, out bison_workspace_id bigint, out bison_instance_url text, out was_rejected boolean,
    out fillings jsonb, out leads jsonb, out accounts jsonb
)
language plpgsql
as $$
declare
    mark text;
    its_id bigint;
    found_row record;
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(workspace, 30));
    foreach mark in array marks loop
        perform pg_advisory_xact_lock(hashtextextended(mark, 31));
    end loop;
    for place in 1 .. cardinality(account_ids) loop
        for found_row in
            select id, amount, occurred_at
            from public.webhook_delivery_log log
            where log.origin = 'polled' and log.amount <> 0 and log.workspace_name = workspace
                and log.sender_email_id = account_ids[place] and log.metric = metrics[place]
            order by id
            for update
        loop
            fillings := coalesce(fillings, '[]') || jsonb_build_object(
                'account_id', account_ids[place], 'metric', metrics[place], 'id', found_row.id, 'amount', found_row.amount,
                'occurred_at', found_row.occurred_at
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
        select lead_id, told_at, told_by into found_row from public.client_leads where workspace_name = workspace and lead_id = its_id;
        if found then
            leads := coalesce(leads, '[]') || to_jsonb(found_row);
        else
            leads := coalesce(leads, '[]') || (
                select jsonb_build_object('lead_id', its_id, 'logged', jsonb_object_agg(newest.event_type, newest.at))
                from (
                    select log.event_type, max(log.occurred_at) as at
                    from public.webhook_delivery_log log
                    where log.workspace_name = workspace and log.lead_id = its_id and log.is_first
                    group by log.event_type
                ) newest
            );
        end if;
    end loop;
    select ours.id, ours.org_id, ours.bison_workspace_id, ours.bison_instance_url
    into workspace_id, org_id, bison_workspace_id, bison_instance_url
    from public.workspace_names known
    join public.workspaces ours on ours.id = known.workspace_id
    where known.name = workspace;
    if org_id is null then
        org_id := public.default_org_id();
    end if;
    was_rejected := exists (select from public.webhook_rejections where source = 'bison' and claimed = workspace and in_a_row > 0);
end
$$;

-- A line of the log. A plain insert: the unique index refuses an event that another delivery is counting at this moment.
create or replace function add_bison_line(
    event_type text, workspace_name text, success boolean, error_message text, processing_time_ms integer, inbox_id bigint,
    origin text, event_key text, is_first boolean, metric text, amount integer, occurred_at timestamptz, sender_email_id bigint,
    lead_id bigint
) returns void
language plpgsql
as $$
begin
    insert into public.webhook_delivery_log (
        event_type, workspace_name, success, error_message, processing_time_ms, inbox_id, origin, event_key, is_first, metric,
        amount, occurred_at, sender_email_id, lead_id
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
end
$$;

-- Times only grow. A lead that nobody called interested has no row.
create or replace function move_lead_times(
    workspace text, its_id bigint, replied timestamptz, bounced timestamptz, unsubscribed timestamptz
) returns void
language plpgsql
as $$
begin
    update public.client_leads
    set
        replied_at = greatest(replied_at, replied), bounced_at = greatest(bounced_at, bounced),
        unsubscribed_at = greatest(unsubscribed_at, unsubscribed), updated_at = now()
    where workspace_name = workspace and lead_id = its_id;
end
$$;

-- The person's own data as given; the times only grow.
create or replace function put_lead(
    workspace text, its_id bigint, email text, first_name text, last_name text, company text, title text, received timestamptz,
    campaign_id bigint, campaign_name text, account_id bigint, called_at timestamptz, called_by text, replied timestamptz,
    bounced timestamptz, unsubscribed timestamptz
) returns void
language plpgsql
as $$
begin
    insert into public.client_leads as known (
        workspace_name, lead_id, lead_email, first_name, last_name, company, title, date_received, campaign_id, campaign_name,
        sender_email_id, told_at, told_by, interested_at, replied_at, bounced_at, unsubscribed_at
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $14, $15, $16)
    on conflict (workspace_name, lead_id) do update set
        lead_email = excluded.lead_email, first_name = excluded.first_name, last_name = excluded.last_name,
        company = excluded.company, title = excluded.title, date_received = excluded.date_received,
        campaign_id = excluded.campaign_id, campaign_name = excluded.campaign_name, sender_email_id = excluded.sender_email_id,
        told_at = excluded.told_at, told_by = excluded.told_by, interested_at = excluded.interested_at,
        replied_at = greatest(known.replied_at, excluded.replied_at),
        bounced_at = greatest(known.bounced_at, excluded.bounced_at),
        unsubscribed_at = greatest(known.unsubscribed_at, excluded.unsubscribed_at),
        updated_at = now();
end
$$;

-- A reply that two events bring is one.
create or replace function add_bison_reply(
    org uuid, workspace uuid, external text, thread text, from_whom text, subject text, received timestamptz, automatic boolean
) returns void
language plpgsql
as $$
begin
    insert into public.inbox_items
        (org_id, workspace_id, source, external_id, thread_id, from_address, subject, received_at, is_auto_reply)
    values ($1, $2, 'bison', $3, $4, $5, $6, $7, $8)
    on conflict (source, external_id) do nothing;
end
$$;

-- The state of an account alone: all else is read with it, by the poll.
create or replace function put_account_state(
    instance text, account_id bigint, its_status text, since timestamptz, recheck timestamptz, removed timestamptz
) returns void
language plpgsql
as $$
begin
    update public.sender_emails_cache
    set status = its_status, status_at = since, recheck_since = recheck, removed_at = removed, updated_at = now()
    where bison_instance = instance and sender_email_id = account_id;
end
$$;

-- Adds to the slot of five minutes in which deliveries came in.
create or replace function add_attempts(workspace text, received timestamptz, n integer, n_good integer) returns void
language plpgsql
as $$
begin
    insert into public.webhook_delivery_slots as known (workspace_name, slot, deliveries, successes, last_at)
    values (workspace, date_bin('5 minutes', received, '2000-01-01 00:00:00+00'), n, n_good, received)
    on conflict (workspace_name, slot) do update set
        deliveries = known.deliveries + excluded.deliveries,
        successes = known.successes + excluded.successes,
        last_at = greatest(known.last_at, excluded.last_at);
end
$$;

do $$
declare
    made regprocedure;
begin
    for made in
        select oid
        from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'lock_outreach', 'add_bison_line', 'move_lead_times', 'put_lead', 'add_bison_reply', 'put_account_state', 'add_attempts'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', made);
        execute format('grant execute on function %s to service_role, crm_relay', made);
    end loop;
end
$$;
