-- What the clone fence compares (crm_relay.platform.fence.clone_fence), and which customers this installation has lost: a contact in
-- Mautic whose id is neither here nor among those belongs to another installation.
set local lock_timeout = '5s';

-- Null where the role that owns this function may not read it.
create or replace function system_identifier() returns text
language plpgsql stable security definer set search_path = public, pg_temp
as $$
begin
    return (select control.system_identifier::text from pg_control_system() control);
exception
    when insufficient_privilege or undefined_function then return null;
end
$$;
revoke all on function system_identifier() from public, anon, authenticated;
grant execute on function system_identifier() to service_role, crm_relay;

-- A digest instead of the id: an erasure leaves no id behind.
create table if not exists mautic_departed_customers (
    customer_md5 text primary key,
    departed_at timestamptz not null default now()
);
select secure_table('mautic_departed_customers');

insert into mautic_departed_customers (customer_md5)
select distinct md5(customer_id::text) from mautic_removals
on conflict do nothing;

create or replace function note_mautic_removal() returns trigger
language plpgsql security definer set search_path = public, pg_temp
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

comment on table mautic_departed_customers is
    'Customers who had a contact in Mautic and were deleted here. The audit mutes contacts of these, never of other ids.';
