-- A policy's function never raises. Supabase Realtime asks the policies of all subscribers in one statement, so one subscriber
-- with unusual claims would keep every change from all of them. What cannot be read names nobody.
set local lock_timeout = '5s';

-- Null for what is no uuid: Clerk, Auth0 and Firebase put other ids into `sub`.
create or replace function uuid_or_null(value text) returns uuid
language sql immutable parallel safe
as $$
    select case
        when length(value) = 36 and value ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then value::uuid
    end
$$;

-- PostgREST and Realtime set request.jwt.claims; a setting reads as '' after its SET LOCAL has ended.
create or replace function jwt_subject() returns text
language plpgsql stable
as $$
begin
    return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
exception
    when others then return null;
end
$$;

-- SET LOCAL app.user_id where it is set, else the JWT's subject.
create or replace function current_user_id() returns uuid
language sql stable
as $$
    select case
        when nullif(current_setting('app.user_id', true), '') is not null then uuid_or_null(current_setting('app.user_id', true))
        else uuid_or_null(jwt_subject())
    end
$$;

create or replace function current_org() returns uuid
language sql stable security definer set search_path = public, pg_temp
as $$
    select case
        when nullif(current_setting('app.org_id', true), '') is not null then uuid_or_null(current_setting('app.org_id', true))
        else (select org_id from user_profiles where id = current_user_id())
    end
$$;

create or replace function default_org_id() returns uuid
language sql stable security definer set search_path = public, pg_temp
as $$ select uuid_or_null(value) from installation_settings where key = 'default_org_id' $$;

revoke all on function uuid_or_null(text), jwt_subject() from public, anon;
grant execute on function uuid_or_null(text), jwt_subject() to authenticated, service_role, crm_relay;
