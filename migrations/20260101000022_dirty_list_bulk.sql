-- A statement that changes many customers notes them 120 to a line: a line and an index entry for each of them made a bulk
-- update of the business a third slower.
set local lock_timeout = '5s';

-- Append-only as mautic_dirty is, and for the same reasons. A run begins by spreading these lines over mautic_dirty, which
-- is what it reads. 120 ids are as many as a row holds without being stored out of line.
create table if not exists mautic_dirty_bulk (
    seq bigint generated always as identity primary key,
    customer_ids uuid[] not null
);
select secure_table('mautic_dirty_bulk');

-- Two functions that differ in one column, because their statements are fixed: planned once a connection, not once a call.
-- A customer may be noted more than once: sorting that out is the reader's work, not the business's.
create or replace function note_mautic_dirty_by_id() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if (select count(*) from (select from changed limit 121) few) <= 120 then
        insert into mautic_dirty (customer_id) select id from changed;
    else
        insert into mautic_dirty_bulk (customer_ids)
        select ids[first:first + 119]
        from (select array_agg(id) as ids from changed) everybody, generate_series(1, cardinality(ids), 120) first;
    end if;
    return null;
end
$$;

create or replace function note_mautic_dirty_by_customer() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if (select count(*) from (select from changed limit 121) few) <= 120 then
        insert into mautic_dirty (customer_id) select customer_id from changed;
    else
        insert into mautic_dirty_bulk (customer_ids)
        select ids[first:first + 119]
        from (select array_agg(customer_id) as ids from changed) everybody, generate_series(1, cardinality(ids), 120) first;
    end if;
    return null;
end
$$;

-- The rows are called `changed` whatever the statement was.
do $$
declare
    base record;
begin
    for base in
        select *
        from (values
            ('customer_profiles', 'note_mautic_dirty_by_id'),
            ('customer_emails', 'note_mautic_dirty_by_customer'),
            ('customer_phones', 'note_mautic_dirty_by_customer'),
            ('customer_addresses', 'note_mautic_dirty_by_customer'),
            ('customer_engagement_metrics', 'note_mautic_dirty_by_customer'),
            ('customer_segment_links', 'note_mautic_dirty_by_customer')
        ) as tables (name, function)
        cross join (values ('insert', 'new'), ('update', 'new'), ('delete', 'old')) as operations (operation, rows)
    loop
        execute format(
            'create or replace trigger note_mautic_dirty_%1$s after %1$s on %2$I
             referencing %3$s table as changed for each statement execute function %4$I()',
            base.operation, base.name, base.rows, base.function
        );
    end loop;
end
$$;
drop function if exists note_mautic_dirty();

comment on table mautic_dirty_bulk is
    'Who was changed by statements that changed many; the next run of the sync spreads it over mautic_dirty.';
