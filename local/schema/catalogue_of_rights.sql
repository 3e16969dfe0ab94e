-- name: rights
-- What each role may do besides what the default privileges give it, or not although they do; `is_all`: nothing is left out.
with thing as (
    select
        case relkind when 'S' then 'sequence' else 'table' end as kind, quote_ident(relname) as name, quote_ident(relname) as identity,
        null::text as of_column, relacl as acl, relowner as owner,
        (case relkind when 'S' then 's' else 'r' end)::"char" as type, (case relkind when 'S' then 'S' else 'r' end)::"char" as default_type
    from pg_class
    where relnamespace = 'public'::regnamespace
        and relkind in ('r', 'p', 'v', 'm', 'S')
        and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
    union all
    select
        case prokind when 'p' then 'procedure' else 'function' end, quote_ident(proname), pg_proc.oid::regprocedure::text,
        null, proacl, proowner, 'f', 'f'
    from pg_proc
    where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e')
    union all
    select 'column', quote_ident(relname), quote_ident(relname), quote_ident(attname), attacl, relowner, 'c', null
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    where relnamespace = 'public'::regnamespace and attacl is not null and not attisdropped
), present as (
    select thing.*, one.grantee, one.privilege_type, one.is_grantable
    from thing
    cross join lateral aclexplode(coalesce(acl, acldefault(type, owner))) as one
    where one.grantee <> owner
), given as (
    select thing.*, one.grantee, one.privilege_type, one.is_grantable
    from thing
    cross join lateral (
        select *
        from aclexplode(coalesce(
            (
                select defaclacl
                from pg_default_acl
                where defaclrole = owner and defaclnamespace = 0 and defaclobjtype = default_type
            ),
            acldefault(type, owner)
        ))
        union
        select grant_of.*
        from pg_default_acl
        cross join lateral aclexplode(defaclacl) as grant_of
        where defaclrole = owner and defaclnamespace = 'public'::regnamespace and defaclobjtype = default_type
    ) as one
    where one.grantee <> owner
), difference as (
    select 'grant' as action, missing.* from (select * from present except select * from given) as missing
    union all
    select 'revoke', surplus.* from (select * from given except select * from present) as surplus
)
select
    action,
    kind,
    name,
    identity,
    of_column,
    case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as role,
    string_agg(lower(privilege_type), ', ' order by array_position(array['SELECT', 'INSERT', 'UPDATE', 'DELETE'], privilege_type), privilege_type) as privileges,
    is_grantable,
    count(*) > 1 and type <> 'c'
        and count(*) = (select count(*) from aclexplode(acldefault(type, owner)) as own where own.grantee = owner) as is_all
from difference
group by action, kind, name, identity, of_column, grantee, is_grantable, type, owner
order by action desc, kind desc, identity collate "C", 6, of_column collate "C";

-- name: default_rights
-- What the default privileges of the owner give besides PostgreSQL's own, or take away.
with said as (
    select
        defaclnamespace, defaclrole,
        case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' else 'schemas' end as kind,
        defaclacl,
        case when defaclnamespace = 0
            then acldefault((case defaclobjtype when 'S' then 's' else defaclobjtype end)::"char", defaclrole)
            -- An empty list of rights is no list to PostgreSQL.
            else null
        end as usual
    from pg_default_acl
    where defaclrole = current_user::regrole and defaclnamespace in (0, 'public'::regnamespace)
), difference as (
    select 'revoke' as action, defaclnamespace, kind, one.grantee, one.privilege_type
    from said cross join lateral (select grantee, privilege_type from aclexplode(usual) where grantee <> defaclrole except select grantee, privilege_type from aclexplode(defaclacl)) as one
    union all
    select 'grant', defaclnamespace, kind, one.grantee, one.privilege_type
    from said cross join lateral (select grantee, privilege_type from aclexplode(defaclacl) where grantee <> defaclrole except select grantee, privilege_type from aclexplode(usual)) as one
)
select
    action,
    case when defaclnamespace = 0 then '' else ' in schema public' end as place,
    kind,
    lower(privilege_type) as privileges,
    string_agg(case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end, ', ' order by pg_get_userbyid(grantee)) as role
from difference
group by action, defaclnamespace, kind, privilege_type
order by 2, action desc, kind, privilege_type;

-- name: schema_rights
-- What is granted on the schema besides what a new database has.
select
    lower(privilege_type) as privileges,
    string_agg(quote_ident(pg_get_userbyid(grantee)), ', ' order by pg_get_userbyid(grantee)) as role
from pg_namespace
cross join lateral (
    select grantee, privilege_type from aclexplode(nspacl)
    except
    select grantee, privilege_type
    from pg_init_privs
    cross join lateral aclexplode(initprivs)
    where classoid = 'pg_namespace'::regclass and objoid = pg_namespace.oid
) as granted
where nspname = 'public'
group by privilege_type
order by privilege_type;
