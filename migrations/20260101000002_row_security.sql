-- Row level security in one place: how a table is locked, and how an installation's own tables are left as they are.
set local lock_timeout = '5s';

-- RLS on, nothing for anon, read for whom `readable_when` holds, all for the two server roles. Safe to call twice.
create or replace function secure_table(relation regclass, readable_when text default null) returns void
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

-- The tables that the documents presuppose may exist already, with rights that somebody's application lives on. A baseline
-- file calls remember_tables() first and secures only what it made itself; the server roles get their rights either way.
create or replace function remember_tables() returns void
language sql
as $$
    select set_config('crm_relay.tables_before', coalesce(string_agg(relname, ','), ''), false)
    from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
$$;

create or replace function secure_new_table(relation regclass, readable_when text default null) returns void
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

revoke all on function secure_table(regclass, text), secure_new_table(regclass, text), remember_tables()
    from public, anon, authenticated;
