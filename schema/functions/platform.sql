-- Functions of platform. Written by `make schema`: change it by a migration.


create function jwt_subject()
    returns text
    language plpgsql
    stable
as $$
begin
    return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
exception
    when others then return null;
end
$$;
grant execute on function jwt_subject() to authenticated;


create function remember_tables()
    returns void
    language sql
as $$
    select set_config('crm_relay.tables_before', coalesce(string_agg(relname, ','), ''), false)
    from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
$$;
revoke execute on function remember_tables() from crm_relay, service_role;


create function secure_new_table(relation regclass, readable_when text default null::text)
    returns void
    language plpgsql
as $$
begin
    if relation::text = any (string_to_array(current_setting('crm_relay.tables_before'), ',')) then
        execute format('grant all on %s to service_role, crm_relay', relation);
        if (select relrowsecurity from pg_class where oid = relation)
            and not exists (select from pg_policy where polrelid = relation and polname = 'service_role_all') then
            execute format('create policy service_role_all on %s for all to service_role, crm_relay using (true) with check (true)', relation);
        end if;
    else
        perform secure_table(relation, readable_when);
    end if;
end
$$;
revoke execute on function secure_new_table(regclass,text) from crm_relay, service_role;


create function secure_table(relation regclass, readable_when text default null::text)
    returns void
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', relation);
    -- Supabase grants ALL on new tables: what is not taken back stands.
    execute format('revoke all on %s from public, anon, authenticated', relation);
    execute format('grant all on %s to service_role, crm_relay', relation);
    execute format('drop policy if exists service_role_all on %s', relation);
    execute format('create policy service_role_all on %s for all to service_role, crm_relay using (true) with check (true)', relation);
    execute format('drop policy if exists authenticated_read on %s', relation);
    if readable_when is not null then
        execute format('grant select on %s to authenticated', relation);
        execute format('create policy authenticated_read on %s for select to authenticated using (%s)', relation, readable_when);
    end if;
end
$$;
revoke execute on function secure_table(regclass,text) from crm_relay, service_role;


create function system_identifier()
    returns text
    language plpgsql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    return (select control.system_identifier::text from pg_control_system() control);
exception
    when insufficient_privilege or undefined_function then return null;
end
$$;


create function try_uuid(text text)
    returns uuid
    language sql
    immutable parallel safe
as $$ select case when text ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then text::uuid end $$;


create function uuid_or_null(value text)
    returns uuid
    language sql
    immutable parallel safe
as $$
    select case
        -- Hyphens in their four places, no other ones, and hexadecimal digits for the rest.
        when value like '________-____-____-____-____________' and value ~ '^[0-9a-fA-F-]*$'
            and length(replace(value, '-', '')) = 32
            then value::uuid
    end
$$;
grant execute on function uuid_or_null(text) to authenticated;
