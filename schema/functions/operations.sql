-- Functions of operations. Written by `make schema`: change it by a migration.


create function count_mentions(relation text, needles text[], pattern text)
    returns bigint
    language plpgsql
    stable
as $$
declare
    found bigint;
begin
    execute format(
        'select count(*) from %I each where lower(each::text) like any ($1) and lower(each::text) ~ $2', relation
    ) into found using needles, pattern;
    return found;
end
$$;


create function count_mentions(relation text, needles text[], pattern text, first_block bigint, end_block bigint)
    returns bigint
    language plpgsql
    stable
as $$
declare
    found bigint;
begin
    execute format(
        'select count(*) from %I each where each.ctid >= $3 and each.ctid < $4
            and lower(each::text) like any ($1) and lower(each::text) ~ $2',
        relation
    ) into found using
        needles, pattern, format('(%s,0)', first_block)::tid, format('(%s,0)', coalesce(end_block, 4294967295))::tid;
    return found;
end
$$;
comment on function count_mentions(text,text[],text,bigint,bigint) is 'Rows of a part of a table that mention somebody in any column. The form with three arguments is removed in the next release.';
