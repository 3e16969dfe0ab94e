-- Fewer reads: a lead's log without groups, and no look at a reply that no workflow listens to.
set local lock_timeout = '5s';

create or replace function lock_outreach(
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
    if not found then
        its_name := workspace;
        org_id := public.default_org_id();
        counts_automated := false;
    end if;
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
        select told_at, told_by into found_row from public.client_leads where workspace_name = its_name and lead_id = its_id;
        if found then
            leads := coalesce(leads, '[]') || jsonb_build_object(
                'lead_id', its_id, 'told_at', found_row.told_at, 'told_by', found_row.told_by
            );
        else
            leads := coalesce(leads, '[]') || jsonb_build_object('lead_id', its_id, 'logged', (
                -- Of one kind the last one in this order is kept, which is the newest.
                select jsonb_object_agg(log.event_type, log.occurred_at order by log.occurred_at)
                from public.webhook_delivery_log log
                where log.workspace_name = its_key and log.lead_id = its_id and log.is_first and log.occurred_at is not null
            ));
        end if;
    end loop;
    was_rejected := exists (select from public.webhook_rejections where source = 'bison' and claimed = its_name and in_a_row > 0);
end
$$;

-- As before, but a reply that no workflow listens to is read no further.
create or replace function note_reply() returns trigger
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '1s'
as $$
declare
    item jsonb;
    org uuid;
begin
    if not exists (select from workflow_listeners where entity_type = 'contact' and topic = 'event:replied') then
        return null;
    end if;
    item := to_jsonb(new);
    if (item ->> 'is_auto_reply')::boolean or item ->> 'source' = 'resend' and item ->> 'headers_read_at' is null then
        return null;
    end if;
    org := uuid_or_null(item ->> 'org_id');
    if exists (
        select from workflow_listeners where org_id = org and entity_type = 'contact' and topic = 'event:replied'
    ) then
        insert into entity_events (org_id, entity_type, entity_id, kind, topic, payload, actor, origin, depth, event_key)
        select
            org, 'contact', person.id, 'event', 'event:replied',
            jsonb_build_object(
                'inbox_item_id', item -> 'id', 'source', item -> 'source', 'received_at', item -> 'received_at',
                'enrollment_id', item -> 'enrollment_id'
            ),
            current_user_id(), left(nullif(current_setting('app.origin', true), ''), 50), 0,
            format('replied:%s:%s', item ->> 'id', person.id)
        from (
            select id
            from contacts
            where org_id = org and normalise_address(email) = normalise_address(item ->> 'from_address')
            union
            select contact_id
            from campaign_enrollments
            where id = uuid_or_null(item ->> 'enrollment_id') and org_id = org
        ) person
        on conflict do nothing;
    end if;
    return null;
exception
    when others then
        perform report_event_failure(tg_table_name, sqlstate);
        return null;
end
$$;
