-- Quiet hours and digests go by the clock of the person who saves a preference without a zone, not by New York's.
set local lock_timeout = '5s';

create or replace function own_time_zone() returns text
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(
        (
            select own.timezone
            from user_profiles own
            where own.id = current_user_id() and length(own.timezone) <= 50 and is_time_zone(own.timezone)
        ),
        'America/New_York'
    )
$$;

revoke all on function own_time_zone() from public, anon;
grant execute on function own_time_zone() to authenticated, service_role, crm_relay;

alter table notification_preferences alter column quiet_hours_timezone set default own_time_zone();
