-- What is counted of a workspace keeps its key when the workspace is renamed. The key is the first name that it had: names are
-- never given to another workspace, so it cannot change. The log, and all that is told apart by a text, has the key; what people
-- read by name (counters, leads, accounts, figures of providers) has the name of today and follows each rename.
set local lock_timeout = '5s';

-- In the order in which they came, also within one transaction.
alter table workspace_names alter column since set default clock_timestamp();

create or replace function workspace_key(its_name text) returns text
language sql stable set search_path = public, pg_temp
as $$
    select coalesce(
        (
            select first.name
            from workspace_names known
            join workspace_names first on first.workspace_id = known.workspace_id
            where known.name = its_name
            order by first.since, first.name
            limit 1
        ),
        its_name
    )
$$;

create or replace function workspace_now(its_name text) returns text
language sql stable set search_path = public, pg_temp
as $$
    select coalesce(
        (
            select workspace.name
            from workspace_names known
            join workspaces workspace on workspace.id = known.workspace_id
            where known.name = its_name
        ),
        its_name
    )
$$;

create or replace function workspace_month(workspace text, at timestamptz) returns date
language sql stable set search_path = public, pg_temp
as $$
    select date_trunc(
        'month', at at time zone usable_zone((select timezone from workspaces where name = workspace_now(workspace)))
    )::date
$$;

-- All that is found by a name, from a former name to the one of today. Where both have rows, they were one all along: counters
-- and figures are added, of a lead the newest of each counts. Deliveries of the workspace wait meanwhile.
create or replace function relabel_outreach(former text, present text) returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(workspace_key(present), 30));
    if former = present then
        return;
    end if;

    update client_leads lead
    set
        lead_email = coalesce(former_one.lead_email, lead.lead_email),
        first_name = coalesce(former_one.first_name, lead.first_name),
        last_name = coalesce(former_one.last_name, lead.last_name), company = coalesce(former_one.company, lead.company),
        title = coalesce(former_one.title, lead.title), date_received = former_one.date_received,
        campaign_id = former_one.campaign_id, campaign_name = former_one.campaign_name,
        sender_email_id = former_one.sender_email_id, told_at = former_one.told_at, told_by = former_one.told_by
    from client_leads former_one
    where former_one.workspace_name = former and lead.workspace_name = present and lead.lead_id = former_one.lead_id
        and (former_one.told_at, coalesce(former_one.told_by, '')) > (lead.told_at, coalesce(lead.told_by, ''));
    with gone as (delete from client_leads former_one
        using client_leads lead
        where former_one.workspace_name = former and lead.workspace_name = present and lead.lead_id = former_one.lead_id
        returning former_one.*
    )
    update client_leads lead
    set
        interested_at = greatest(lead.interested_at, gone.interested_at),
        replied_at = greatest(lead.replied_at, gone.replied_at), bounced_at = greatest(lead.bounced_at, gone.bounced_at),
        unsubscribed_at = greatest(lead.unsubscribed_at, gone.unsubscribed_at), updated_at = now()
    from gone
    where lead.workspace_name = present and lead.lead_id = gone.lead_id;
    update client_leads set workspace_name = present where workspace_name = former;

    with gone as (delete from client_metrics former_one
        using client_metrics metrics
        where former_one.workspace_name = former and metrics.workspace_name = present and metrics.month = former_one.month
        returning former_one.*
    )
    update client_metrics metrics
    set
        emails_sent_mtd = coalesce(metrics.emails_sent_mtd, 0) + coalesce(gone.emails_sent_mtd, 0),
        positive_replies_mtd = coalesce(metrics.positive_replies_mtd, 0) + coalesce(gone.positive_replies_mtd, 0),
        replies_mtd = coalesce(metrics.replies_mtd, 0) + coalesce(gone.replies_mtd, 0),
        bounced_mtd = coalesce(metrics.bounced_mtd, 0) + coalesce(gone.bounced_mtd, 0),
        unsubscribed_mtd = coalesce(metrics.unsubscribed_mtd, 0) + coalesce(gone.unsubscribed_mtd, 0),
        updated_at = clock_timestamp()
    from gone
    where metrics.workspace_name = present and metrics.month = gone.month;
    update client_metrics set workspace_name = present where workspace_name = former;

    with gone as (delete from provider_performance_history former_one
        using provider_performance_history history
        where former_one.workspace_name = former and history.workspace_name = present
            and history.email_provider = former_one.email_provider and history.snapshot_date = former_one.snapshot_date
        returning former_one.*
    )
    update provider_performance_history history
    set sent_since = history.sent_since + gone.sent_since, replies_since = history.replies_since + gone.replies_since
    from gone
    where history.workspace_name = present and history.email_provider = gone.email_provider
        and history.snapshot_date = gone.snapshot_date;
    update provider_performance_history set workspace_name = present where workspace_name = former;

    with gone as (delete from webhook_delivery_slots former_one
        using webhook_delivery_slots slots
        where former_one.workspace_name = former and slots.workspace_name = present and slots.slot = former_one.slot
        returning former_one.*
    )
    update webhook_delivery_slots slots
    set
        deliveries = slots.deliveries + gone.deliveries, successes = slots.successes + gone.successes,
        last_at = greatest(slots.last_at, gone.last_at)
    from gone
    where slots.workspace_name = present and slots.slot = gone.slot;
    update webhook_delivery_slots set workspace_name = present where workspace_name = former;

    update webhook_rejections set claimed = present
    where source = 'bison' and claimed = former
        and not exists (select from webhook_rejections other where other.source = 'bison' and other.claimed = present);
    update webhook_rejections set in_a_row = 0 where source = 'bison' and claimed = former;
    update sender_emails_cache set workspace_name = present, updated_at = now() where workspace_name = former;
    -- Where both have been read, the reading of today's name goes on.
    update bison_polls set workspace_name = present
    where workspace_name = former and not exists (select from bison_polls other where other.workspace_name = present);
    update incidents incident
    set workspace_name = present, subject = case subject when former then present else subject end
    where incident.workspace_name = former and incident.closed_at is null
        and not exists (
            select
            from incidents other
            where other.kind = incident.kind and other.closed_at is null and incident.subject = former and other.subject = present
        );
end
$$;

-- Lines of the log under the workspace's key. An event that is there under both was counted twice: the later line counts nothing
-- any more, and its counter is put right. Behind relabel_outreach, whose lock it keeps.
create or replace function rekey_outreach(former text, present text) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    its_key constant text := workspace_key(present);
    line record;
begin
    if former = its_key then
        return;
    end if;
    for line in
        with again as (
            select log.id, log.amount
            from webhook_delivery_log log
            join webhook_delivery_log known on known.workspace_name = its_key and known.event_key = log.event_key and known.is_first
            where log.workspace_name = former and log.is_first
        )
        update webhook_delivery_log log
        set is_first = false, amount = 0
        from again
        where log.id = again.id
        returning log.metric, again.amount, log.occurred_at
    loop
        if line.amount <> 0 and line.metric is not null then
            perform count_outreach(present, line.metric, -line.amount, line.occurred_at);
        end if;
    end loop;
    update webhook_delivery_log set workspace_name = its_key where workspace_name = former;
end
$$;

-- After keep_workspace_name, by the order of their names. Rows that were counted under a name before anybody had it were taken
-- for the installation's own organization: only a workspace of that one gets them.
create or replace function relabel_workspace() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    known_name text;
begin
    if new.org_id is distinct from default_org_id()
        and exists (select from workspace_names where name = new.name and since >= now())
        and (
            exists (select from client_leads where workspace_name = new.name)
            or exists (select from webhook_delivery_log where workspace_name = new.name)
        )
    then
        raise exception 'deliveries of another workspace were counted under this name' using
            errcode = 'unique_violation', table = 'workspaces', constraint = 'workspace_name_is_not_reused',
            hint = 'Choose another name, also in BISON_WEBHOOK_TOKENS and BISON_API_TOKENS.';
    end if;
    for known_name in select name from workspace_names where workspace_id = new.id order by since, name loop
        perform relabel_outreach(known_name, new.name);
        perform rekey_outreach(known_name, new.name);
    end loop;
    return null;
end
$$;
create or replace trigger relabel_workspace after insert or update of name on workspaces
    for each row execute function relabel_workspace();

-- Workspaces that were renamed before.
do $$
declare
    renamed record;
begin
    for renamed in
        select known.name as former, workspace.name as present
        from workspace_names known
        join workspaces workspace on workspace.id = known.workspace_id
        where workspace.id in (select workspace_id from workspace_names group by workspace_id having count(*) > 1)
        order by workspace.name, known.since, known.name
    loop
        perform relabel_outreach(renamed.former, renamed.present);
        perform rekey_outreach(renamed.former, renamed.present);
    end loop;
end
$$;

-- All that names an event, so that one which comes again without the id that it was counted by is still the same. `is_alone`: an
-- id that others share, such as the mail that two replies answer, of an event that has no id of its own.
create table if not exists outreach_event_keys (
    workspace_key text not null,
    event_key text not null,
    is_alone boolean not null default false,
    primary key (workspace_key, event_key)
);
select secure_table('outreach_event_keys');

-- A log that is emptied begins anew, and so do the events in it.
create or replace function forget_event_keys() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    execute 'truncate outreach_event_keys';
    return null;
end
$$;
create or replace trigger forget_event_keys after truncate on webhook_delivery_log
    for each statement execute function forget_event_keys();

-- The document's function. A line in the log goes with it, so that a counter made anew from the log has it too.
create or replace function increment_metric(workspace_name text, metric_name text, increment_by integer default 1) returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    wanted text := metric_column(metric_name);
    n integer := coalesce(increment_by, 1);
begin
    if nullif(btrim(workspace_name), '') is null then
        raise exception 'increment_metric: a workspace name is needed' using errcode = 'invalid_parameter_value';
    end if;
    if wanted is null then
        raise exception 'increment_metric: unknown metric name' using
            errcode = 'invalid_parameter_value',
            hint = 'emails_sent_mtd, interested_mtd, positive_replies_mtd, replies_mtd, bounces_mtd, bounced_mtd, '
                'unsubscribes_mtd, unsubscribed_mtd';
    end if;
    if n < 0 then
        raise exception 'increment_metric: a negative increment' using errcode = 'invalid_parameter_value';
    end if;
    insert into webhook_delivery_log (event_type, workspace_name, success, origin, metric, amount, occurred_at)
    values (
        'increment_metric', workspace_key(increment_metric.workspace_name), true, 'manual', wanted, n, now()
    );
    perform count_outreach(workspace_now(increment_metric.workspace_name), wanted, n, now());
end
$$;

-- The locks of one workspace's deliveries, then what is known, as before; now by the workspace's key. `fillings` of an account below
-- zero are those of all accounts: an event that names none takes the place of any. `its_key` and `its_name`: what the log has of
-- the workspace, and what it is called today.
drop function if exists lock_outreach(text, text[], bigint[], text[], bigint[], text, bigint[]);
create function lock_outreach(
    workspace text, marks text[], account_ids bigint[], metrics text[], interested bigint[], instance text, changing bigint[],
    out workspace_id uuid, out org_id uuid, out bison_workspace_id bigint, out bison_instance_url text, out was_rejected boolean,
    out fillings jsonb, out leads jsonb, out accounts jsonb,
    out its_key text, out its_name text
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
    its_name := public.workspace_now(workspace);
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
    select ours.id, ours.org_id, ours.bison_workspace_id, ours.bison_instance_url
    into workspace_id, org_id, bison_workspace_id, bison_instance_url
    from public.workspace_names known
    join public.workspaces ours on ours.id = known.workspace_id
    where known.name = workspace;
    if org_id is null then
        org_id := public.default_org_id();
    end if;
    was_rejected := exists (select from public.webhook_rejections where source = 'bison' and claimed = its_name and in_a_row > 0);
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
            'lock_outreach', 'relabel_outreach', 'rekey_outreach', 'workspace_key', 'workspace_now'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', made);
        execute format('grant execute on function %s to service_role, crm_relay', made);
    end loop;
    -- The month of a workspace that the caller may see asks for its name.
    grant execute on function workspace_now(text) to authenticated;
end
$$;
revoke all on function relabel_workspace(), forget_event_keys() from public, anon, authenticated, service_role, crm_relay;

comment on column webhook_delivery_log.workspace_name is 'The workspace''s key: the first name that it had, which no rename changes.';
comment on column webhook_delivery_log.sender_email_id is
    'The account; of an event that names none, the one whose total in EmailBison it explains.';
comment on table outreach_event_keys is 'Every id by which an event may come again.';
