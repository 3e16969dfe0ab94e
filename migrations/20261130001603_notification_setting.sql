-- What acts for a person and category: own preference, else the organization's, else what is built in. Said once, for the
-- cron, the preview and the explanation.
set local lock_timeout = '5s';

create or replace function notification_setting(wanted_user uuid, wanted_category text) returns table (
    org_id uuid, is_user_active boolean, email text, phone text, locale text, source text, channels jsonb, frequency text,
    digest_time text, digest_day text, quiet_hours_enabled boolean, quiet_hours_start text, quiet_hours_end text, zone text,
    dnd_enabled boolean, dnd_until timestamptz, email_unsubscribed boolean, is_critical boolean, slack_webhook_id uuid,
    is_slack_own boolean
)
language sql stable
as $$
    select
        person.org_id, person.is_active, person.email, person.phone, person.locale,
        case when own.id is not null then 'person' when organization.org_id is not null then 'organization' else 'built_in' end,
        case when own.id is not null then own.channels else organization.channels end,
        case when own.id is not null then own.frequency else organization.frequency end,
        -- As text: a driver takes long to read a time.
        own.digest_time::text, own.digest_day, coalesce(own.quiet_hours_enabled, false), own.quiet_hours_start::text,
        own.quiet_hours_end::text,
        coalesce(own.quiet_hours_timezone, person.timezone), coalesce(own.dnd_enabled, false), own.dnd_until,
        coalesce(own.email_unsubscribed, false), coalesce(organization.is_critical, false), slack.id, slack.user_id is not null
    from user_profiles person
    left join notification_preferences own on own.user_id = person.id and own.category = wanted_category
    left join notification_categories organization
        on organization.org_id = person.org_id and organization.category = wanted_category
    left join lateral (
        select webhook.id, webhook.user_id
        from notification_slack_webhooks webhook
        where webhook.org_id = person.org_id and (webhook.user_id = person.id or webhook.user_id is null)
            and webhook.disabled_at is null
        order by webhook.user_id nulls last
        limit 1
    ) slack on true
    where person.id = wanted_user
$$;

revoke all on function notification_setting(uuid, text) from public, anon, authenticated;
grant execute on function notification_setting(uuid, text) to service_role, crm_relay;
