-- name: read_catalogue
-- Every object of the schema public that SQL can make, as kind, what it belongs to and its own name.
select kind, object, part, definition
from (
    select 'schema' as kind, nspname::text as object, '' as part, '' as definition
    from pg_namespace
    where nspname in ('public', 'supabase_migrations')
    union all
    select 'table', relname, '', ''
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
    union all
    select 'view', relname, '', ''
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')
    union all
    select 'sequence', relname, '', ''
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'S'
    union all
    select 'function', format('%I(%s)', proname, pg_get_function_identity_arguments(oid)), '', ''
    from pg_proc
    where pronamespace = 'public'::regnamespace
    union all
    select 'type', typname, '', ''
    from pg_type
    where typnamespace = 'public'::regnamespace and typtype in ('e', 'd')
    union all
    select 'column', class.relname, attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
    from pg_attribute attribute
    join pg_class class on class.oid = attribute.attrelid
    where class.relnamespace = 'public'::regnamespace and class.relkind in ('r', 'p')
        and attribute.attnum > 0 and not attribute.attisdropped
    union all
    select 'default', class.relname, attribute.attname, pg_get_expr(standard.adbin, standard.adrelid)
    from pg_attrdef standard
    join pg_attribute attribute on attribute.attrelid = standard.adrelid and attribute.attnum = standard.adnum
    join pg_class class on class.oid = standard.adrelid
    where class.relnamespace = 'public'::regnamespace and attribute.attgenerated = ''
    union all
    select 'mandatory', class.relname, attribute.attname, ''
    from pg_attribute attribute
    join pg_class class on class.oid = attribute.attrelid
    where class.relnamespace = 'public'::regnamespace and class.relkind in ('r', 'p')
        and attribute.attnum > 0 and not attribute.attisdropped and attribute.attnotnull
    union all
    select 'index', class.relname, index.relname, ''
    from pg_index
    join pg_class index on index.oid = pg_index.indexrelid
    join pg_class class on class.oid = pg_index.indrelid
    where class.relnamespace = 'public'::regnamespace
        and not exists (select from pg_constraint where conindid = index.oid and contype in ('p', 'u', 'x'))
    union all
    select 'constraint', class.relname, found.conname, pg_get_constraintdef(found.oid)
    from pg_constraint found
    join pg_class class on class.oid = found.conrelid
    where class.relnamespace = 'public'::regnamespace and found.contype in ('c', 'f', 'p', 'u', 'x')
    union all
    select 'trigger', class.relname, found.tgname, pg_get_triggerdef(found.oid)
    from pg_trigger found
    join pg_class class on class.oid = found.tgrelid
    where class.relnamespace = 'public'::regnamespace and not found.tgisinternal
    union all
    select 'policy', tablename, policyname, ''
    from pg_policies
    where schemaname = 'public'
    union all
    select 'row security', relname, '', ''
    from pg_class
    where relnamespace = 'public'::regnamespace and relrowsecurity
    union all
    select 'right', class.relname, coalesce(role.rolname, 'public'), string_agg(entry.privilege_type, ', ' order by entry.privilege_type)
    from pg_class class
    cross join lateral aclexplode(class.relacl) entry
    left join pg_roles role on role.oid = entry.grantee
    where class.relnamespace = 'public'::regnamespace and class.relkind in ('r', 'p', 'v', 'm', 'S') and entry.grantee <> class.relowner
    group by class.relname, role.rolname
) found
order by kind, object, part;

-- name: create_catalogue
-- Beside the bookkeeping, which is created with it.
create table if not exists supabase_migrations.catalogue_before (
    kind text, object text, part text, definition text, primary key (kind, object, part)
);

-- name: remember_catalogue
-- What was there before the first of our files, once: an uninstallation leaves it.
insert into supabase_migrations.catalogue_before (kind, object, part, definition)
select kind, object, part, definition
from jsonb_to_recordset(:rows) as row (kind text, object text, part text, definition text)
where not exists (select from supabase_migrations.schema_migrations where sha256 is not null)
    and not exists (select from supabase_migrations.catalogue_before);

-- name: is_remembered
-- Not where the first file was applied by a version that did not remember, or by the Supabase CLI.
select to_regclass('supabase_migrations.catalogue_before') is not null as found;

-- name: catalogue_before
-- As `read_catalogue` gave it then.
select kind, object, part, definition from supabase_migrations.catalogue_before;
