-- name: read_plainly
-- Times are written in the session's zone, and names with their schema where that is not searched.
select set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false), set_config('search_path', 'public', false);

-- name: tables
-- Tables without those of an extension; a partition says of which table and for which values it is one.
select
    quote_ident(relation.relname) as name,
    pg_get_partkeydef(relation.oid) as partition_key,
    quote_ident(parent.relname) as parent,
    pg_get_expr(relation.relpartbound, relation.oid) as bound,
    relation.relpersistence = 'u' as is_unlogged,
    array_to_string(relation.reloptions, ', ') as options,
    relation.relrowsecurity as has_row_security,
    relation.relforcerowsecurity as forces_row_security,
    case relation.relreplident
        when 'f' then 'full'
        when 'n' then 'nothing'
        when 'i' then 'using index ' || (select indexrelid::regclass from pg_index where indrelid = relation.oid and indisreplident)
    end as replica_identity,
    obj_description(relation.oid, 'pg_class') as comment
from pg_class as relation
left join pg_inherits on inhrelid = relation.oid and relation.relispartition
left join pg_class as parent on parent.oid = inhparent
where relation.relnamespace = 'public'::regnamespace
    and relation.relkind in ('r', 'p')
    and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = relation.oid and deptype = 'e')
order by relation.relname collate "C";

-- name: columns
-- In their order; `sequence` has the options of an identity that are not the usual ones.
select
    quote_ident(relname) as table_name,
    quote_ident(attname) as name,
    format_type(atttypid, atttypmod) as type,
    attnotnull as is_required,
    pg_get_expr(adbin, adrelid, true) as value,
    nullif(attidentity::text, '') as identity,
    nullif(attgenerated::text, '') as generated,
    case when attcollation <> typcollation then quote_ident(collname) end as collation,
    concat_ws(
        ' ',
        case when seqstart <> 1 then 'start with ' || seqstart end,
        case when seqincrement <> 1 then 'increment by ' || seqincrement end,
        case when seqmin <> 1 then 'minvalue ' || seqmin end,
        case when seqmax <> case typname when 'int2' then 32767 when 'int4' then 2147483647 else 9223372036854775807 end
            then 'maxvalue ' || seqmax end,
        case when seqcache <> 1 then 'cache ' || seqcache end,
        case when seqcycle then 'cycle' end
    ) as sequence,
    col_description(attrelid, attnum) as comment
from pg_attribute
join pg_class on pg_class.oid = attrelid
join pg_type on pg_type.oid = atttypid
left join pg_attrdef on adrelid = attrelid and adnum = attnum
left join pg_collation on pg_collation.oid = attcollation
left join pg_depend as owned
    on owned.refclassid = 'pg_class'::regclass and owned.refobjid = attrelid and owned.refobjsubid = attnum
    and owned.classid = 'pg_class'::regclass and owned.deptype = 'i' and attidentity <> ''
left join pg_sequence on seqrelid = owned.objid
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
order by relname collate "C", attnum;

-- name: constraints
-- Of tables alone, without NOT NULL, which is said with its column, and without those that a partition inherits.
select
    quote_ident(relation.relname) as table_name,
    quote_ident(conname) as name,
    contype::text as kind,
    pg_get_constraintdef(pg_constraint.oid, true) as definition,
    array(
        select quote_ident(attname)
        from unnest(conkey) with ordinality as key (number, place)
        join pg_attribute on attrelid = conrelid and attnum = key.number
        order by place
    ) as columns,
    quote_ident(target.relname) as target,
    convalidated as is_valid,
    obj_description(pg_constraint.oid, 'pg_constraint') as comment
from pg_constraint
join pg_class as relation on relation.oid = conrelid
left join pg_class as target on target.oid = confrelid
where relation.relnamespace = 'public'::regnamespace and contype in ('p', 'u', 'x', 'c', 'f') and coninhcount = 0
order by relation.relname collate "C", position(contype in 'puxcf'), conname collate "C";

-- name: indexes
-- Those that no constraint makes and no partition inherits.
select
    quote_ident(relation.relname) as table_name,
    quote_ident(made.relname) as name,
    pg_get_indexdef(indexrelid, 0, true) as definition,
    obj_description(indexrelid, 'pg_class') as comment
from pg_index
join pg_class as made on made.oid = indexrelid
join pg_class as relation on relation.oid = indrelid
where relation.relnamespace = 'public'::regnamespace
    and not made.relispartition
    and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
order by relation.relname collate "C", made.relname collate "C";

-- name: policies
-- An empty list of roles is everybody.
select
    quote_ident(relname) as table_name,
    quote_ident(polname) as name,
    polpermissive as is_permissive,
    case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' end as command,
    array(select quote_ident(rolname) from pg_roles where oid = any (polroles) order by rolname collate "C") as roles,
    pg_get_expr(polqual, polrelid, true) as readable,
    pg_get_expr(polwithcheck, polrelid, true) as writable,
    obj_description(pg_policy.oid, 'pg_policy') as comment
from pg_policy
join pg_class on pg_class.oid = polrelid
where relnamespace = 'public'::regnamespace
order by relname collate "C", polname collate "C";

-- name: triggers
-- Without those of constraints and those that a partition has from its table.
select
    quote_ident(relname) as table_name,
    quote_ident(tgname) as name,
    proname as function,
    pg_get_triggerdef(pg_trigger.oid, true) as definition,
    case tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end as state,
    obj_description(pg_trigger.oid, 'pg_trigger') as comment
from pg_trigger
join pg_class on pg_class.oid = tgrelid
join pg_proc on pg_proc.oid = tgfoid
where relnamespace = 'public'::regnamespace and not tgisinternal and tgparentid = 0
order by relname collate "C", tgname collate "C";

-- name: event_triggers
-- They belong to the whole database, and to the room of their function.
select
    quote_ident(evtname) as name,
    evtevent as event,
    evttags as tags,
    proname as function,
    case evtenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end as state,
    obj_description(pg_event_trigger.oid, 'pg_event_trigger') as comment
from pg_event_trigger
join pg_proc on pg_proc.oid = evtfoid
where not exists (
    select from pg_depend where classid = 'pg_event_trigger'::regclass and objid = pg_event_trigger.oid and deptype = 'e'
)
order by evtname collate "C";

-- name: functions
-- Without those of an extension.
select
    quote_ident(proname) as name,
    pg_proc.oid::regprocedure::text as signature,
    case prokind when 'p' then 'procedure' else 'function' end as kind,
    pg_get_functiondef(pg_proc.oid) as definition,
    pg_get_function_arguments(pg_proc.oid) as arguments,
    prosrc as body,
    obj_description(pg_proc.oid, 'pg_proc') as comment
from pg_proc
where pronamespace = 'public'::regnamespace
    and prokind <> 'a'
    and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e')
order by proname collate "C", pg_proc.oid::regprocedure::text collate "C";

-- name: views
-- The definition as PostgreSQL keeps it: without the comments of whoever wrote it.
select
    quote_ident(relname) as name,
    relkind = 'm' as is_materialized,
    array_to_string(reloptions, ', ') as options,
    pg_get_viewdef(oid, true) as definition,
    obj_description(oid, 'pg_class') as comment
from pg_class
where relnamespace = 'public'::regnamespace
    and relkind in ('v', 'm')
    and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
order by relname collate "C";

-- name: needs
-- Which table or view uses which other: by its query, as a partition, or by a foreign key.
select quote_ident(used_by.relname) as name, quote_ident(used.relname) as needed
from pg_depend
join pg_rewrite on classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
join pg_class as used_by on used_by.oid = ev_class
join pg_class as used on refclassid = 'pg_class'::regclass and used.oid = refobjid
where used_by.relnamespace = 'public'::regnamespace and used_by.oid <> used.oid
union
select quote_ident(relation.relname), quote_ident(target.relname)
from pg_constraint
join pg_class as relation on relation.oid = conrelid
join pg_class as target on target.oid = confrelid
where relation.relnamespace = 'public'::regnamespace and conrelid <> confrelid
union
select quote_ident(part.relname), quote_ident(parent.relname)
from pg_inherits
join pg_class as part on part.oid = inhrelid
join pg_class as parent on parent.oid = inhparent
where part.relnamespace = 'public'::regnamespace and part.relkind in ('r', 'p')
order by 1, 2;

-- name: sequences
-- Those that no column owns as its identity.
select
    quote_ident(relname) as name,
    format_type(seqtypid, null) as type,
    concat_ws(
        ' ',
        case when seqstart <> 1 then 'start with ' || seqstart end,
        case when seqincrement <> 1 then 'increment by ' || seqincrement end,
        case when seqmin <> 1 then 'minvalue ' || seqmin end,
        case when seqmax <> case format_type(seqtypid, null) when 'smallint' then 32767 when 'integer' then 2147483647 else 9223372036854775807 end
            then 'maxvalue ' || seqmax end,
        case when seqcache <> 1 then 'cache ' || seqcache end,
        case when seqcycle then 'cycle' end
    ) as options,
    obj_description(pg_class.oid, 'pg_class') as comment
from pg_class
join pg_sequence on seqrelid = pg_class.oid
where relnamespace = 'public'::regnamespace
    and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype in ('i', 'e'))
order by relname collate "C";

-- name: roles
-- Those that grants and policies of this database name; the owner of its objects is not one of them.
select
    quote_ident(rolname) as name,
    concat_ws(
        ' ',
        case when rolcanlogin then 'login' else 'nologin' end,
        case when rolinherit then 'inherit' else 'noinherit' end,
        case when rolsuper then 'superuser' end,
        case when rolcreatedb then 'createdb' end,
        case when rolcreaterole then 'createrole' end,
        case when rolreplication then 'replication' end,
        case when rolbypassrls then 'bypassrls' end,
        case when rolconnlimit <> -1 then 'connection limit ' || rolconnlimit end
    ) as options,
    coalesce(rolconfig, '{}') as settings
from pg_roles
where oid <> current_user::regrole
    and oid in (
        select refobjid
        from pg_shdepend
        join pg_database on pg_database.oid = dbid and datname = current_database()
        where refclassid = 'pg_authid'::regclass
    )
order by 1;

-- name: extensions
-- What CREATE EXTENSION has to load; PL/pgSQL is in every database.
select quote_ident(extname) as name, quote_ident(nspname) as schema
from pg_extension
join pg_namespace on pg_namespace.oid = extnamespace
where extname <> 'plpgsql'
order by 1;

-- name: publications
-- What is published for logical replication, and with it to Supabase's Realtime.
select
    quote_ident(pubname) as name,
    case when puballtables then ' for all tables' else '' end as scope,
    concat_ws(
        ', ',
        case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
        case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end
    ) as publishes,
    pubviaroot as is_via_root,
    obj_description(oid, 'pg_publication') as comment
from pg_publication
order by 1;

-- name: published_tables
-- `columns` is empty where all are published.
select
    quote_ident(pubname) as publication,
    quote_ident(relname) as table_name,
    array(
        select quote_ident(attname)
        from pg_attribute
        where attrelid = prrelid and attnum = any (prattrs)
        order by attnum
    ) as columns,
    pg_get_expr(prqual, prrelid, true) as condition
from pg_publication_rel
join pg_publication on pg_publication.oid = prpubid
join pg_class on pg_class.oid = prrelid
where relnamespace = 'public'::regnamespace
order by 1, 2;
