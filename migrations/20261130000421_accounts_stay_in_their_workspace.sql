-- A webhook speaks for the workspace of its token. It changes the state of an account of that workspace and never takes one
-- from another: only EmailBison's own list, read with the workspace's API token, moves an account.
set local lock_timeout = '5s';

do $$
declare
    keeps constant regprocedure := to_regprocedure('keep_account_state(text,text,jsonb,timestamptz,timestamptz)');
begin
    if keeps is null then
        return;
    end if;
    execute $function$
create or replace function keep_account_state(workspace text, instance text, event jsonb, happened_at timestamptz, received timestamptz)
returns void
language plpgsql set search_path = public, pg_temp
as $body$
declare
    account jsonb := event -> 'account';
    wanted text := case event ->> 'kind'
        when 'account_disconnected' then 'Disconnected'
        when 'account_reconnected' then 'Connected'
        else account ->> 'status'
    end;
begin
    insert into sender_emails_cache as known (
        workspace_name, bison_instance, sender_email_id, email_address, name, status, status_at, account_type, daily_limit,
        email_provider, reseller, recheck_since, removed_at
    )
    values (
        workspace, instance, (account ->> 'account_id')::bigint, account ->> 'email', account ->> 'name', wanted, happened_at,
        account ->> 'account_type', (account ->> 'daily_limit')::integer, account ->> 'provider', account ->> 'reseller',
        case event ->> 'kind' when 'account_disconnected' then received end,
        case event ->> 'kind' when 'account_removed' then happened_at end
    )
    on conflict (bison_instance, sender_email_id) do update set
        status = excluded.status,
        status_at = excluded.status_at,
        recheck_since = excluded.recheck_since,
        removed_at = excluded.removed_at,
        updated_at = now()
    where known.workspace_name = excluded.workspace_name
        and (
            known.status_at is null
            or known.status_at < excluded.status_at
            or (
                known.status_at = excluded.status_at
                and (excluded.removed_at is not null, excluded.status <> 'Connected')
                    > (known.removed_at is not null, known.status <> 'Connected')
            )
        );
end
$body$;
    $function$;
end
$$;
