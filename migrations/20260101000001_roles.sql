-- The roles that everything after this grants to. Supabase has the first four; a plain PostgreSQL gets them here.
set local lock_timeout = '5s';

do $$
declare
    wanted record;
begin
    for wanted in
        select *
        from (values
            ('anon', 'nologin noinherit'),
            ('authenticated', 'nologin noinherit'),
            ('service_role', 'nologin noinherit'),
            -- The Lambdas log in as this one. It gets its password by hand: alter role crm_relay password '…'.
            ('crm_relay', 'login inherit')
        ) as role (name, options)
    loop
        if not exists (select from pg_roles where rolname = wanted.name) then
            begin
                execute format('create role %I %s', wanted.name, wanted.options);
            exception
                -- Roles belong to the whole server: another database's migration may have been quicker.
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
end
$$;

-- BYPASSRLS where it may be granted; elsewhere crm_relay works by the policies that name it.
do $$
begin
    if not (select rolbypassrls from pg_roles where rolname = 'service_role') then
        alter role service_role bypassrls;
    end if;
    if not (select rolbypassrls from pg_roles where rolname = 'crm_relay') then
        alter role crm_relay bypassrls;
    end if;
exception
    when insufficient_privilege or internal_error or object_not_in_prerequisite_state then
        raise notice 'BYPASSRLS may not be granted here: crm_relay works by its policies';
end
$$;

-- A startup parameter would be refused by PgBouncer; a role's setting works in every pool mode.
do $$
begin
    alter role crm_relay set statement_timeout = '60s';
    alter role crm_relay set idle_in_transaction_session_timeout = '60s';
exception
    when internal_error or object_in_use or insufficient_privilege then null;
end
$$;

grant usage on schema public to anon, authenticated, service_role, crm_relay;
