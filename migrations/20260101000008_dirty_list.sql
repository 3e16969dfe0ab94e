-- Which customers changed since Mautic was told: noted in the business transaction, so that a run costs what changed.
set local lock_timeout = '5s';

-- Append-only and without a unique key: the business neither waits here nor deadlocks. A run deletes exactly the rows that
-- it has read, so a change that commits late is simply still there. Not a foreign key: a deleted customer is a change too.
create table if not exists mautic_dirty (
    seq bigint generated always as identity primary key,
    customer_id uuid not null
);
select secure_table('mautic_dirty');

-- One function for all base tables; its argument is the column that holds the customer's id.
create or replace function note_mautic_dirty() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- A customer may be noted more than once: sorting that out is the reader's work, not the business's.
    execute format(
        'insert into mautic_dirty (customer_id) select %I from %I',
        tg_argv[0], case tg_op when 'DELETE' then 'before_rows' else 'after_rows' end
    );
    return null;
end
$$;

-- A row that goes over to another customer concerns the one that it left, too. Fires only where the column is written.
create or replace function note_mautic_dirty_former() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into mautic_dirty (customer_id) values (old.customer_id);
    return null;
end
$$;

do $$
declare
    base record;
begin
    for base in
        select *
        from (values
            ('customer_profiles', 'id'),
            ('customer_emails', 'customer_id'),
            ('customer_phones', 'customer_id'),
            ('customer_addresses', 'customer_id'),
            ('customer_engagement_metrics', 'customer_id'),
            ('customer_segment_links', 'customer_id')
        ) as tables (name, customer)
    loop
        execute format(
            'create or replace trigger note_mautic_dirty_insert after insert on %I
             referencing new table as after_rows for each statement execute function note_mautic_dirty(%L)',
            base.name, base.customer
        );
        execute format(
            'create or replace trigger note_mautic_dirty_update after update on %I
             referencing new table as after_rows for each statement execute function note_mautic_dirty(%L)',
            base.name, base.customer
        );
        execute format(
            'create or replace trigger note_mautic_dirty_delete after delete on %I
             referencing old table as before_rows for each statement execute function note_mautic_dirty(%L)',
            base.name, base.customer
        );
        if base.customer = 'customer_id' then
            execute format(
                'create or replace trigger note_mautic_dirty_former after update of customer_id on %I
                 for each row when (old.customer_id is distinct from new.customer_id)
                 execute function note_mautic_dirty_former()',
                base.name
            );
        end if;
    end loop;
end
$$;

-- A segment that is renamed concerns all its members. Removing one removes its links, which note themselves.
create or replace function note_mautic_dirty_segment() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into mautic_dirty (customer_id)
    select distinct link.customer_id
    from after_rows renamed
    join before_rows earlier on earlier.id = renamed.id and earlier.slug <> renamed.slug
    join customer_segment_links link on link.segment_id = renamed.id;
    return null;
end
$$;
create or replace trigger note_mautic_dirty_update after update on segments
    referencing old table as before_rows new table as after_rows
    for each statement execute function note_mautic_dirty_segment();

-- A new line in the ledger concerns everybody who has that address.
create or replace function note_mautic_dirty_consent() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into mautic_dirty (customer_id)
    select distinct mail.customer_id
    from after_rows event
    join customer_emails mail on normalise_address(mail.email) = event.address
    where event.channel = 'email';
    return null;
end
$$;
create or replace trigger note_mautic_dirty_insert after insert on consent_events
    referencing new table as after_rows
    for each statement execute function note_mautic_dirty_consent();

-- The contact of a customer who was deleted: the status row is the last that knows its id.
create or replace function note_mautic_removal() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into mautic_removals (mautic_contact_id, customer_id)
    select mautic_contact_id, customer_id
    from before_rows
    where mautic_contact_id is not null
    on conflict do nothing;
    return null;
end
$$;
create or replace trigger note_mautic_removal after delete on mautic_sync_status
    referencing old table as before_rows
    for each statement execute function note_mautic_removal();

-- Everybody who was here before the list began.
insert into mautic_dirty (customer_id)
select profile.id
from customer_profiles profile
where not exists (select from mautic_dirty) and not exists (select from mautic_sync_status status where status.customer_id = profile.id);
