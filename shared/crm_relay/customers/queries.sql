-- name: read_changed
-- One window of the dirty list and the rows whose turn comes again, with everybody that they concern; unchanged ones end here.
with noted as materialized (
    select seq, customer_id from mautic_dirty where seq > :after_note order by seq limit :window
),
reach as (
    select coalesce(max(seq), :after_note) as last_note, count(*) as notes_read from noted
),
due as materialized (
    select customer_id from mautic_sync_status where next_attempt_at <= :now order by next_attempt_at limit :window
),
named as materialized (
    select customer_id from noted
    union
    select customer_id from due
    union
    -- Asked for by name (why): described whether they changed or not.
    select unnest(:only::uuid[])
),
everybody as materialized (
    select customer_id from named
    union
    -- Who shares an address with one of them: whom it belongs to may have changed.
    select other.customer_id
    from customer_emails mine
    join customer_emails other on normalise_address(other.email) = normalise_address(mine.email)
    where mine.customer_id in (select customer_id from named)
    union
    select customer_id from mautic_sync_status where conflict_owner_id in (select customer_id from named)
),
described as materialized (
    select everybody.customer_id, source
    from everybody
    left join mautic_sync_source source on source.customer_id = everybody.customer_id
),
rivals as materialized (
    -- Everybody who has one of these addresses, chosen or not: Mautic can hold an address once.
    select wanted.address, mail.customer_id
    from (select distinct (source).address from described where (source).address is not null) wanted
    join customer_emails mail on normalise_address(mail.email) = wanted.address
    group by wanted.address, mail.customer_id
),
owners as materialized (
    -- Of several customers who chose one address the youngest owns it; the id breaks a tie.
    select distinct on (rivals.address) rivals.address, rivals.customer_id
    from rivals
    join customer_profiles profile on profile.id = rivals.customer_id
    join lateral (
        select email
        from customer_emails
        where customer_id = rivals.customer_id
        order by is_primary is true desc, first_seen_at, id
        limit 1
    ) chosen on normalise_address(chosen.email) = rivals.address
    order by rivals.address, profile.created_at desc, rivals.customer_id desc
),
kept as materialized (
    -- The contact that stays for an address: the owner's, else one that the owner takes over from another customer.
    select
        owners.address,
        owners.customer_id as owner_id,
        coalesce(
            min(status.mautic_contact_id) filter (where status.customer_id = owners.customer_id),
            min(status.mautic_contact_id)
        ) as contact_id
    from owners
    join rivals on rivals.address = owners.address
    left join mautic_sync_status status on status.customer_id = rivals.customer_id
    group by owners.address, owners.customer_id
),
present as materialized (
    select
        described.customer_id,
        described.source,
        (described.source).customer_id is not null as found,
        :mapping_version || ':' || (described.source).fingerprint as current_hash,
        kept.owner_id,
        kept.contact_id as kept_contact_id,
        status.mautic_contact_id,
        status.sync_hash,
        status.customer_id is not null as known,
        coalesce(status.attempts, 0) as attempts,
        coalesce(status.segments, '{}') as known_segments,
        coalesce(status.segments_settled, true) as segments_settled,
        status.dnc_reason as known_dnc_reason,
        coalesce(status.left_out, '{}') as left_out,
        (
            -- Nothing to do: exactly this was confirmed, and nothing else is open.
            status.sync_hash = :mapping_version || ':' || (described.source).fingerprint
            and status.mautic_contact_id is not null
            and status.sync_error is null
            and status.next_attempt_at is null
            and status.segments_settled
            and kept.owner_id = described.customer_id
        ) is true as unchanged
    from described
    left join mautic_sync_status status on status.customer_id = described.customer_id
    left join kept on kept.address = (described.source).address
),
lines as materialized (
    select customer_id, array_agg(seq) as notes from noted group by customer_id
),
settled as (
    delete from mautic_dirty
    where :consume
        and seq in (select noted.seq from noted join present using (customer_id) where present.unchanged)
)
select
    reach.last_note,
    reach.notes_read,
    present.customer_id as id,
    present.found,
    (present.source).*,
    present.current_hash,
    present.owner_id,
    present.kept_contact_id,
    present.mautic_contact_id,
    present.sync_hash,
    present.known,
    present.attempts,
    present.known_segments,
    present.segments_settled,
    present.known_dnc_reason,
    present.left_out,
    coalesce(lines.notes, '{}') as notes
from reach
left join present on not present.unchanged or present.customer_id = any (:only::uuid[])
left join lines on lines.customer_id = present.customer_id
-- In one order everywhere, so that a run can be told again.
order by present.customer_id;

-- name: unmuted_holders
-- Who has these addresses without an opt-out, a bounce or a consent on record; an address that nobody has comes alone.
select wanted.address, holder.customer_id, holder.org_id
from unnest(cast(:addresses as text[])) as wanted (address)
cross join lateral (
    select profile.id as customer_id, coalesce(profile.org_id, default_org_id()) as org_id
    from customer_emails mail
    join customer_profiles profile on profile.id = mail.customer_id
    where normalise_address(mail.email) = wanted.address
    union
    select null, default_org_id()
    where not exists (select from customer_emails mail where normalise_address(mail.email) = wanted.address)
) holder
left join lateral suppression(holder.org_id, 'email', wanted.address) state on true
where state.suppressed_by is null and state.consented_at is null
order by wanted.address, holder.customer_id;

-- name: organizations_of
-- In whose ledgers an opt-out of these addresses belongs: those whose customers have them, else the installation's own.
select distinct wanted.address, coalesce(holder.org_id, default_org_id()) as org_id
from unnest(cast(:addresses as text[])) as wanted (address)
left join customer_emails mail on normalise_address(mail.email) = wanted.address
left join customer_profiles holder on holder.id = mail.customer_id
order by 1, 2;

-- name: muted_holders
-- Customers whose address one of these is, and who may get no mail.
select wanted.address, source.customer_id
from unnest(cast(:addresses as text[])) as wanted (address)
join customer_emails mail on normalise_address(mail.email) = wanted.address
join mautic_sync_source source on source.customer_id = mail.customer_id and source.address = wanted.address
where source.dnc_reason is not null
group by wanted.address, source.customer_id
order by wanted.address, source.customer_id;

-- name: were_ever_customers
-- Which of these ids are or were customers here.
select asked.customer_id, profile.id is not null as is_living
from unnest(cast(:ids as uuid[])) as asked (customer_id)
left join customer_profiles profile on profile.id = asked.customer_id
where profile.id is not null
    or exists (select from mautic_departed_customers departed where departed.customer_md5 = md5(asked.customer_id::text));

-- name: stamp_customers
-- Who opted out there, in person as the webhook leaves them. Without an address the stamp writes the ledger's line with the first.
update customer_profiles profile
set
    marketing_opt_in = case when stamped.is_in_person then false else profile.marketing_opt_in end,
    -- Moved even by little: a stamp that stays would tell the trigger that the application had set the column.
    opted_out_at = greatest(
        least(cast(:now as timestamptz), clock_timestamp()), profile.opted_out_at + interval '1 microsecond'
    )
from (
    select id, id = any (cast(:in_person as uuid[])) as is_in_person
    from customer_profiles
    where id = any (cast(:ids as uuid[]))
        and (opted_out_at is null or id = any (cast(:in_person as uuid[])))
    order by id
    for no key update
) stamped
where profile.id = stamped.id;

-- name: find_customers
-- Whom an address, a customer id or a contact id of Mautic's means.
select customer_id from customer_emails where normalise_address(email) = :address::text
union
select id from customer_profiles where id = :customer_id::uuid
union
select customer_id from mautic_sync_status where mautic_contact_id = :contact_id::integer
union
select customer_id from mautic_former_contacts where mautic_contact_id = :contact_id::integer
order by customer_id;

-- name: status_of
-- What is remembered of these customers' contacts.
select
    customer_id, mautic_contact_id, last_synced_at, sync_error, attempts, next_attempt_at, conflict_owner_id, segments,
    dnc_reason, left_out
from mautic_sync_status
where customer_id = any (:customer_ids::uuid[]);

-- name: known_by
-- By what else these customers may be met: addresses, numbers, contacts that they had, and notes that no run has read yet.
with noted as (
    select customer_id, count(*)::integer as notes
    from (
        select customer_id from mautic_dirty
        union all
        select unnest(customer_ids) from mautic_dirty_bulk where customer_ids && :customer_ids::uuid[]
    ) note
    where customer_id = any (:customer_ids::uuid[])
    group by customer_id
)
select
    profile.id as customer_id,
    array(
        select distinct normalise_address(email)
        from customer_emails
        where customer_id = profile.id and normalise_address(email) is not null
    ) as addresses,
    array(select distinct phone_e164 from customer_phones where customer_id = profile.id) as phones,
    coalesce(noted.notes, 0) as open_notes,
    coalesce(
        (
            select jsonb_agg(
                jsonb_build_object(
                    'mautic_contact_id', former.mautic_contact_id,
                    'forgotten_at', former.forgotten_at,
                    -- Merged in Mautic, or given to somebody else: whose contact it is now.
                    'now_of', (
                        select status.customer_id
                        from mautic_sync_status status
                        where status.mautic_contact_id = former.mautic_contact_id
                        order by status.customer_id
                        limit 1
                    )
                )
                order by former.forgotten_at, former.mautic_contact_id
            )
            from mautic_former_contacts former
            where former.customer_id = profile.id
        ),
        '[]'
    ) as former_contacts
from customer_profiles profile
left join noted on noted.customer_id = profile.id
where profile.id = any (:customer_ids::uuid[]);

-- name: removals_of
-- Contacts that outlive their customer until Mautic has been told: all that is left here of somebody who was deleted.
select mautic_contact_id, customer_id, requested_at, attempts, next_attempt_at, error
from mautic_removals
where mautic_contact_id = :contact_id::integer or customer_id = any (:customer_ids::uuid[])
order by mautic_contact_id;

-- name: drifted
-- Rows whose contact differs from what was confirmed: forgotten as confirmed, so that the next run writes them again.
with drifted as (
    select *
    from jsonb_to_recordset(:findings) as finding (
        customer_id uuid, is_deleted boolean, is_unmuted boolean, memberships text[]
    )
),
forgotten as (
    insert into mautic_former_contacts (mautic_contact_id, customer_id)
    select status.mautic_contact_id, status.customer_id
    from drifted
    join mautic_sync_status status on status.customer_id = drifted.customer_id
    where drifted.is_deleted and status.mautic_contact_id is not null
    on conflict do nothing
),
noted as (
    insert into mautic_dirty (customer_id) select customer_id from drifted
)
update mautic_sync_status status
set
    sync_hash = null,
    mautic_contact_id = case when drifted.is_deleted then null else status.mautic_contact_id end,
    segments = case when drifted.is_deleted then '{}' else coalesce(drifted.memberships, status.segments) end,
    segments_settled = true,
    -- Muted once more, with everybody who has the address.
    dnc_reason = case when drifted.is_unmuted then null else status.dnc_reason end,
    updated_at = now()
from drifted
where status.customer_id = drifted.customer_id;

-- name: request_removals
-- Contacts that carry the id of a customer who is not here any more.
insert into mautic_removals (mautic_contact_id, customer_id)
select contact_id, customer_id
from jsonb_to_recordset(:strangers) as stranger (contact_id integer, customer_id uuid)
on conflict do nothing;

-- name: departed
-- Which of these ids were customers here: a contact with any other id is another installation's.
select customer_id
from unnest(:ids::uuid[]) as asked (customer_id)
join mautic_departed_customers departed on departed.customer_md5 = md5(customer_id::text);

-- name: confirmed_contacts
-- One page of what Mautic has confirmed, for the audit to look for what is not there any more.
select customer_id, mautic_contact_id
from mautic_sync_status
where mautic_contact_id > :after
order by mautic_contact_id
limit :size;

-- name: record_outcomes
-- What became of a batch, in one statement: status, the lines of the dirty list it answers, contacts nobody owns any more.
with outcome as materialized (
    select *
    from jsonb_to_recordset(:outcomes) as outcome (
        customer_id uuid, notes bigint[], known_contact_id integer, contact_id integer, sync_hash text, error text,
        attempts integer, next_attempt_at timestamptz, conflict_owner_id uuid, segments text[], segments_settled boolean,
        dnc_reason smallint, left_out text[], confirmed boolean, removed_contact_id integer
    )
),
alive as materialized (
    -- Held until the commit, so that the status row cannot lose its customer in between.
    select profile.id from customer_profiles profile join outcome on outcome.customer_id = profile.id
    order by profile.id for key share of profile
),
cleared as (
    delete from mautic_dirty where seq in (select unnest(notes) from outcome)
),
orphaned as (
    insert into mautic_removals (mautic_contact_id, customer_id)
    select distinct on (contact) contact, customer_id
    from (
        -- Deleted here while Mautic was being told.
        select contact_id as contact, customer_id from outcome where customer_id not in (select id from alive)
        union all
        select removed_contact_id, customer_id from outcome
    ) gone
    where contact is not null
    on conflict do nothing
),
displaced as (
    -- Merged in Mautic: the contact is this customer's now, and anyone who had it before is looked at again.
    update mautic_sync_status other
    set mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true
    from outcome
    where outcome.confirmed
        and other.mautic_contact_id = outcome.contact_id
        and other.customer_id not in (select customer_id from outcome)
    returning other.customer_id
),
noted as (
    insert into mautic_dirty (customer_id) select customer_id from displaced
)
insert into mautic_sync_status as status (
    customer_id, mautic_contact_id, sync_hash, last_synced_at, sync_error, attempts, next_attempt_at, conflict_owner_id,
    segments, segments_settled, dnc_reason, left_out, updated_at
)
select
    outcome.customer_id, outcome.contact_id, outcome.sync_hash, case when outcome.confirmed then :now end, outcome.error,
    outcome.attempts, outcome.next_attempt_at, outcome.conflict_owner_id, outcome.segments, outcome.segments_settled,
    outcome.dnc_reason, outcome.left_out, :now
from outcome
join alive on alive.id = outcome.customer_id
order by outcome.customer_id
on conflict (customer_id) do update set
    mautic_contact_id = excluded.mautic_contact_id,
    sync_hash = excluded.sync_hash,
    last_synced_at = coalesce(excluded.last_synced_at, status.last_synced_at),
    sync_error = excluded.sync_error,
    attempts = excluded.attempts,
    next_attempt_at = excluded.next_attempt_at,
    conflict_owner_id = excluded.conflict_owner_id,
    segments = excluded.segments,
    segments_settled = excluded.segments_settled,
    dnc_reason = excluded.dnc_reason,
    left_out = excluded.left_out,
    updated_at = excluded.updated_at
-- A webhook that reported the contact as deleted in the meantime knows better; it has noted the customer again.
where status.mautic_contact_id is not distinct from (
    select known_contact_id from outcome where outcome.customer_id = excluded.customer_id
);

-- name: clear_notes
-- Lines of the dirty list about customers for whom there is nothing to remember.
delete from mautic_dirty where seq = any (:notes::bigint[]);

-- name: mark_differing
-- The nightly full comparison, one page of customers in id order: who differs from what Mautic confirmed goes on the dirty list.
with page as materialized (
    select id from customer_profiles where id > :after order by id limit :size
),
differing as (
    insert into mautic_dirty (customer_id)
    select page.id
    from page
    -- `offset 0` keeps the planner to a look-up for each customer: joined freely, it reads whole tables for every page.
    cross join lateral (
        select * from mautic_sync_source where customer_id = page.id offset 0
    ) source
    left join lateral (
        select * from mautic_sync_status where customer_id = page.id offset 0
    ) status on true
    where status.sync_hash is distinct from :mapping_version || ':' || source.fingerprint
        and status.next_attempt_at is null
        and status.conflict_owner_id is null
        and (status.mautic_contact_id is not null or source.address is not null)
    returning 1
)
select (select max(id::text)::uuid from page) as last_id, (select count(*) from page) as read, (select count(*) from differing) as marked;

-- name: spread_bulk_notes
-- What statements that changed many have noted, many to a line, goes onto the dirty list: a stretch of it, each customer once.
with stretch as (
    delete from mautic_dirty_bulk
    where seq in (select seq from mautic_dirty_bulk order by seq limit :lines)
    returning customer_ids
),
noted as (
    insert into mautic_dirty (customer_id)
    select distinct customer_id from stretch cross join lateral unnest(customer_ids) as noted (customer_id)
)
select count(*) as lines from stretch;

-- name: look_ahead
-- What this run would take away from Mautic (deleted customers, customers without any address), and how the last one ended.
select
    (select batch_size from mautic_sync_logs order by run_started_at desc limit 1) as batch_size,
    (select count(*) from (select from customer_profiles limit 1) any_customer) as customers,
    (select count(*) from mautic_removals) + (
        select count(distinct dirty.customer_id)
        from mautic_dirty dirty
        join mautic_sync_status status on status.customer_id = dirty.customer_id and status.mautic_contact_id is not null
        where not exists (select from customer_emails mail where mail.customer_id = dirty.customer_id)
    ) as vanishing;

-- name: known_contacts
-- How many contacts Mautic has of ours; counted only where something is about to vanish.
select count(*) as known from mautic_sync_status where mautic_contact_id is not null;

-- name: due_removals
-- Contacts of deleted customers, whose turn it is; one that another customer has taken over is not removed.
with taken_over as (
    delete from mautic_removals removal
    using mautic_sync_status status
    where status.mautic_contact_id = removal.mautic_contact_id
    returning removal.mautic_contact_id
)
select mautic_contact_id, attempts
from mautic_removals
where (next_attempt_at is null or next_attempt_at <= :now)
    and mautic_contact_id not in (select mautic_contact_id from taken_over)
order by requested_at, mautic_contact_id
limit :size;

-- name: record_removals
-- Done ones go; failed ones keep their reason and have another turn.
with outcome as (
    select * from jsonb_to_recordset(:outcomes) as outcome (contact_id integer, error text, next_attempt_at timestamptz)
),
done as (
    delete from mautic_removals where mautic_contact_id in (select contact_id from outcome where error is null)
)
update mautic_removals removal
set error = outcome.error, attempts = removal.attempts + 1, next_attempt_at = outcome.next_attempt_at
from outcome
where outcome.contact_id = removal.mautic_contact_id and outcome.error is not null;

-- name: log_run
-- One line a run, for the operator and for the next run's stop rule.
insert into mautic_sync_logs (
    run_started_at, run_finished_at, contacts_synced, contacts_created, contacts_updated, contacts_failed, segments_synced,
    error_details, batch_size
)
values (:started_at, :finished_at, :synced, :created, :updated, :failed, :segments, :details, :batch_size);

-- name: person_of
-- Who shares an address is one person: everybody who can be reached from there, with all by which they are known.
with recursive reached (customer_id) as (
    select unnest(:customer_ids::uuid[])
    union
    select customer_id from customer_emails where normalise_address(email) = :address::text
    union
    select other.customer_id
    from reached
    join customer_emails mine on mine.customer_id = reached.customer_id
    join customer_emails other on normalise_address(other.email) = normalise_address(mine.email)
),
people as materialized (
    -- Read no further than needed to see that these are too many to be one person.
    select customer_id from reached limit :limit
)
select
    array(select customer_id from people order by 1) as customer_ids,
    array(
        select distinct normalise_address(mail.email)
        from customer_emails mail
        join people using (customer_id)
        where normalise_address(mail.email) is not null
    ) as addresses,
    array(select distinct phone_e164 from customer_phones join people using (customer_id)) as phones,
    array(
        select mautic_contact_id from mautic_sync_status join people using (customer_id) where mautic_contact_id is not null
        union
        select mautic_contact_id from mautic_former_contacts join people using (customer_id)
        union
        select mautic_contact_id from mautic_removals join people using (customer_id)
    ) as contact_ids;

-- name: count_person
-- How many rows of each table are the person's.
select
    (select count(*) from customer_profiles where id = any (:ids::uuid[]))::integer as customer_profiles,
    (select count(*) from customer_emails where customer_id = any (:ids::uuid[]))::integer as customer_emails,
    (select count(*) from customer_phones where customer_id = any (:ids::uuid[]))::integer as customer_phones,
    (select count(*) from customer_addresses where customer_id = any (:ids::uuid[]))::integer as customer_addresses,
    (select count(*) from customer_engagement_metrics where customer_id = any (:ids::uuid[]))::integer
        as customer_engagement_metrics,
    (select count(*) from customer_segment_links where customer_id = any (:ids::uuid[]))::integer as customer_segment_links,
    (select count(*) from mautic_sync_status where customer_id = any (:ids::uuid[]))::integer as mautic_sync_status,
    (select count(*) from mautic_former_contacts where customer_id = any (:ids::uuid[]))::integer as mautic_former_contacts;

-- name: forget_contacts
-- Deleted in Mautic: a run must not write to such an id again, and a repeated erasure must still know it.
with gone as materialized (
    select customer_id, mautic_contact_id
    from mautic_sync_status
    where customer_id = any (:ids::uuid[]) and mautic_contact_id is not null
    order by customer_id
    for update
),
forgotten as (
    update mautic_sync_status status
    set
        mautic_contact_id = null, sync_hash = null, segments = '{}', segments_settled = true, dnc_reason = null,
        next_attempt_at = null, updated_at = now()
    from gone
    where status.customer_id = gone.customer_id
)
insert into mautic_former_contacts (mautic_contact_id, customer_id)
select mautic_contact_id, customer_id
from gone
order by mautic_contact_id, customer_id
on conflict do nothing;

-- name: delete_customers
-- Everything that hangs on a customer goes along.
delete from customer_profiles where id = any (:ids::uuid[]);

-- name: delete_traces
-- What the deletion itself has noted about the customers, and the ids in the log of runs.
with removals as (
    delete from mautic_removals where customer_id = any (:ids::uuid[])
),
notes as (
    delete from mautic_dirty where customer_id = any (:ids::uuid[])
),
bulk_notes as (
    update mautic_dirty_bulk
    set customer_ids = array(select unnest(customer_ids) except select unnest(:ids::uuid[]))
    where customer_ids && :ids::uuid[]
)
update mautic_sync_logs
set error_details = (
    select jsonb_agg(detail order by place)
    from jsonb_array_elements(error_details) with ordinality as details (detail, place)
    where detail ->> 'customer_id' is null or detail ->> 'customer_id' <> all (:ids::uuid[]::text[])
)
where jsonb_typeof(error_details) = 'array'
    and exists (
        select from jsonb_array_elements(error_details) as detail where detail ->> 'customer_id' = any (:ids::uuid[]::text[])
    );

-- name: open_gap
-- Said before anything is done about it. The gap begins where a delivery last arrived; that the webhook was on proves nothing.
insert into mautic_webhook_watch as watch (gap_from, opens_after, clicks_after)
values (greatest(coalesce(:last_received::timestamptz - interval '1 hour', '-infinity'), :now::timestamptz - interval '30 days'), 0, 0)
on conflict (only_row) do update
set
    gap_from = coalesce(
        watch.gap_from,
        greatest(
            case
                when :last_received::timestamptz is null then '-infinity'
                -- A test delivery arrives from a webhook that is off, too.
                else least(watch.seen_on_at, :last_received::timestamptz) - interval '1 hour'
            end,
            :now::timestamptz - interval '30 days'
        )
    ),
    gap_to = null,
    contacts_read = false,
    opens_after = 0,
    clicks_after = 0;

-- name: see_hook_on
-- The webhook is on: a gap that was open ends here. Returns what is still to be read of it.
insert into mautic_webhook_watch as watch (seen_on_at)
values (:now)
on conflict (only_row) do update
set seen_on_at = :now, gap_to = case when watch.gap_from is not null then coalesce(watch.gap_to, :now) end
returning gap_from, gap_to, contacts_read, opens_after, clicks_after;

-- name: keep_gap
-- How far a gap was read.
update mautic_webhook_watch
set contacts_read = contacts_read or :contacts_read, opens_after = :opens_after, clicks_after = :clicks_after;

-- name: close_gap
-- All of it was read, or nothing more can be.
update mautic_webhook_watch
set gap_from = null, gap_to = null, contacts_read = false, opens_after = null, clicks_after = null;
