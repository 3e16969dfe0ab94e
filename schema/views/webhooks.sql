-- Views of webhooks. Written by `make schema`: change it by a migration.


create view webhook_health with (security_invoker = true) as
select
    workspace.name as workspace_name,
    latest.last_at as last_webhook_at,
    coalesce(day.deliveries, 0::bigint)::integer as webhook_count_24h,
    case
        when day.deliveries > 0 then round(100.0 * day.successes::numeric / day.deliveries::numeric, 2)
        else null::numeric
    end as success_rate_24h,
    coalesce((100.0 * day.successes::numeric / nullif(day.deliveries, 0)::numeric) >= 95::numeric, false) as is_healthy,
    workspace.bison_silence_hours is not null
        and coalesce(latest.last_at, '-infinity'::timestamptz) <
        (now() - make_interval(hours => least(greatest(workspace.bison_silence_hours, 0), 1000000))) as is_silent
from workspaces workspace
left join (
    select
        webhook_delivery_slots.workspace_name,
        sum(webhook_delivery_slots.deliveries) as deliveries,
        sum(webhook_delivery_slots.successes) as successes
    from webhook_delivery_slots
    where webhook_delivery_slots.slot > (now() - '24:00:00'::interval)
    group by webhook_delivery_slots.workspace_name
) day on day.workspace_name = workspace.name
left join lateral (
    select webhook_delivery_slots.last_at
    from webhook_delivery_slots
    where webhook_delivery_slots.workspace_name = workspace.name
    order by webhook_delivery_slots.slot desc
    limit 1
) latest on true
where latest.last_at is not null or workspace.bison_workspace_id is not null;

comment on view webhook_health is 'The last 24 hours of each workspace that EmailBison reports on; slots are 5 minutes.';
grant select on webhook_health to authenticated, crm_relay, service_role;
