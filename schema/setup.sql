-- Extensions, roles, default privileges and publications. Written by `make schema`: change it by a migration.


do $$
begin
    if to_regrole('anon') is null then
        create role anon nologin noinherit;
    end if;
    if to_regrole('authenticated') is null then
        create role authenticated nologin noinherit;
    end if;
    if to_regrole('crm_relay') is null then
        create role crm_relay login inherit bypassrls;
    end if;
    if to_regrole('service_role') is null then
        create role service_role nologin noinherit bypassrls;
    end if;
end
$$;
alter role crm_relay set statement_timeout = '60s';
alter role crm_relay set idle_in_transaction_session_timeout = '60s';


grant usage on schema public to anon, authenticated, crm_relay, service_role;


alter default privileges revoke execute on functions from public;
alter default privileges in schema public grant execute on functions to crm_relay, service_role;


create publication supabase_realtime;
