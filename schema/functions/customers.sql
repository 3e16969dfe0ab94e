-- Functions of customers. Written by `make schema`: change it by a migration.


create function note_mautic_dirty_by_customer()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function note_mautic_dirty_by_customer() from crm_relay, service_role;


create function note_mautic_dirty_by_id()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function note_mautic_dirty_by_id() from crm_relay, service_role;


create function note_mautic_dirty_consent()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
    set enable_seqscan to 'off'
    set enable_hashjoin to 'off'
    set enable_mergejoin to 'off'
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
revoke execute on function note_mautic_dirty_consent() from crm_relay, service_role;


create function note_mautic_dirty_former()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into mautic_dirty (customer_id) values (old.customer_id);
    return null;
end
$$;
revoke execute on function note_mautic_dirty_former() from crm_relay, service_role;


create function note_mautic_dirty_segment()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
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
revoke execute on function note_mautic_dirty_segment() from crm_relay, service_role;


create function note_mautic_removal()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into mautic_removals (mautic_contact_id, customer_id)
    select mautic_contact_id, customer_id
    from before_rows
    where mautic_contact_id is not null
    on conflict do nothing;
    insert into mautic_departed_customers (customer_md5)
    select distinct md5(customer_id::text)
    from before_rows
    where mautic_contact_id is not null
    on conflict do nothing;
    return null;
end
$$;
revoke execute on function note_mautic_removal() from crm_relay, service_role;
