-- One workspace whose time zone nobody knows stopped the counters, the report and the dashboard of all. No new one is taken, and
-- a row that has one already, or whose zone the database forgets with an update, counts in UTC until it is corrected.
set local lock_timeout = '5s';

create or replace function usable_zone(zone text) returns text
language sql stable
as $$ select case when is_time_zone(zone) then zone else 'UTC' end $$;
revoke all on function usable_zone(text) from public, anon;
grant execute on function usable_zone(text) to authenticated, service_role, crm_relay;

-- No check constraint: a row that is wrong already may still change in everything else.
create or replace function check_workspace_zone() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.timezone is not null and not is_time_zone(new.timezone) then
        raise exception 'not a time zone' using
            errcode = 'check_violation', table = 'workspaces', constraint = 'workspace_timezone_is_known',
            hint = 'Use a name such as Europe/Berlin or UTC.';
    end if;
    return new;
end
$$;
revoke all on function check_workspace_zone() from public, anon, authenticated, service_role, crm_relay;
create or replace trigger check_workspace_zone before insert or update of timezone on workspaces
    for each row execute function check_workspace_zone();

create or replace function workspace_month(workspace text, at timestamptz) returns date
language sql stable set search_path = public, pg_temp
as $$
    select date_trunc('month', at at time zone usable_zone((select timezone from workspaces where name = workspace)))::date
$$;

-- The same of a silence that reaches back further than time does.
-- replaces: and coalesce(latest.last_at, '-infinity') < now() - make_interval(hours => workspace.bison_silence_hours) as is_silent
create or replace view webhook_health with (security_invoker = true) as
select
    workspace.name as workspace_name,
    latest.last_at as last_webhook_at,
    coalesce(day.deliveries, 0)::integer as webhook_count_24h,
    case when day.deliveries > 0 then round(100.0 * day.successes / day.deliveries, 2) end as success_rate_24h,
    coalesce(100.0 * day.successes / nullif(day.deliveries, 0) >= 95, false) as is_healthy,
    workspace.bison_silence_hours is not null
        and coalesce(latest.last_at, '-infinity')
            < now() - make_interval(hours => least(greatest(workspace.bison_silence_hours, 0), 1000000)) as is_silent
from workspaces workspace
left join (
    select workspace_name, sum(deliveries) as deliveries, sum(successes) as successes
    from webhook_delivery_slots
    where slot > now() - interval '24 hours'
    group by workspace_name
) day on day.workspace_name = workspace.name
left join lateral (
    select last_at from webhook_delivery_slots where workspace_name = workspace.name order by slot desc limit 1
) latest on true
where latest.last_at is not null or workspace.bison_workspace_id is not null;
