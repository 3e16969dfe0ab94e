-- name: count_crm
-- What erase_crm would change: people of the CRM with one of these addresses, and what was written to, by and about them.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
)
select
    (select count(*) from people where kind = 'contact')::integer as contacts,
    (select count(*) from people where kind = 'prospect')::integer as prospects,
    (
        select count(*) from activities
        where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    )::integer as activities,
    (select count(*) from entity_history where entity_id in (select id from concerned))::integer as entity_history,
    (select count(*) from notifications where entity_id in (select id from concerned))::integer as notifications,
    (
        select count(*) from emails
        where normalise_address(to_email) = any (:addresses::text[])
            or normalise_address(from_email) = any (:addresses::text[])
            or prospect_id in (select id from people)
    )::integer as emails,
    (select count(*) from inbox_items where normalise_address(from_address) = any (:addresses::text[]))::integer as inbox_items;

-- name: crm_phones
-- Numbers that the CRM has of the person, which may stand elsewhere too.
select phone from contacts where normalise_address(email) = any (:addresses::text[]) and phone is not null
union
select phone from prospects where normalise_address(contact_email) = any (:addresses::text[]) and phone is not null;

-- name: erase_replies
-- A reply's id at the source stays: the same one, fetched once more, is not stored again. Locked before people are.
with theirs as materialized (
    select id from inbox_items where normalise_address(from_address) = any (:addresses::text[]) order by id for no key update
),
reply as (
    update inbox_items
    set from_address = null, subject = null, updated_at = now()
    from theirs
    where inbox_items.id = theirs.id
    returning 1
)
select count(*)::integer as inbox_items from reply;

-- name: erase_crm
-- Rows that deals and figures refer to stay, without the person; one statement, since it takes away what it finds them by.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
),
contact as (
    update contacts
    set
        email = null, phone = null, first_name = null, last_name = null, title = null, linkedin_url = null,
        deleted_at = coalesce(deleted_at, now()), updated_at = now()
    where id in (select id from people where kind = 'contact')
    returning 1
),
prospect as (
    -- The name is the company's, but for somebody who is a company.
    update prospects
    set
        name = case when lower(btrim(name)) = lower(btrim(contact_name)) then 'erased' else name end,
        contact_name = null, contact_email = null, contact_title = null, phone = null, linkedin_url = null,
        archived = true, updated_at = now()
    where id in (select id from people where kind = 'prospect')
    returning 1
),
spoken as materialized (
    select id
    from activities
    where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    order by id
    for no key update
),
activity as (
    update activities
    set subject = null, description = null, metadata = '{}', updated_at = now()
    from spoken
    where activities.id = spoken.id
    returning 1
),
history as (
    update entity_history
    set old_value = null, new_value = null, metadata = '{}'
    where entity_id in (select id from concerned)
    returning 1
),
notification as (
    delete from notifications where entity_id in (select id from concerned) returning 1
),
mail as (
    -- Whom a campaign has reached stays countable.
    update emails
    set
        subject = null, body = null, updated_at = now(),
        to_email = case when normalise_address(to_email) = any (:addresses::text[]) or direction = 'outbound' then null else to_email end,
        from_email = case when normalise_address(from_email) = any (:addresses::text[]) or direction <> 'outbound' then null else from_email end
    where normalise_address(to_email) = any (:addresses::text[])
        or normalise_address(from_email) = any (:addresses::text[])
        or prospect_id in (select id from people)
    returning 1
)
select
    (select count(*) from contact)::integer as contacts,
    (select count(*) from prospect)::integer as prospects,
    (select count(*) from activity)::integer as activities,
    (select count(*) from history)::integer as entity_history,
    (select count(*) from notification)::integer as notifications,
    (select count(*) from mail)::integer as emails;

-- name: tables_to_search
-- Every table and materialized view, the installation's own as well; a partitioned one is searched by its partitions.
-- What names the person until the erasure is complete goes with it.
select relname as name, pg_relation_size(oid) / current_setting('block_size')::bigint as blocks
from pg_class
where relnamespace = 'public'::regnamespace and (relkind = 'r' or relkind = 'm' and relispopulated)
    and relname <> 'unfinished_erasures'
order by relname;

-- name: mentions
-- How many rows of one table speak of the person in any column.
select count_mentions(:relation, :needles::text[], :pattern, :first_block::bigint, :end_block::bigint)::integer as rows;

-- name: keep_receipt
-- Committed with the last of the erasure, or not at all.
insert into erasure_receipts (subject, receipt, at) values (:subject::text[], :receipt, :at) returning id;

-- name: take_unfinished
-- What earlier tries knew of the person, in one row with what is known now; a second request for the same person waits here.
with earlier as (
    delete from unfinished_erasures
    where addresses && cast(:addresses as text[]) or customer_ids && cast(:customer_ids as uuid[])
    returning *
),
known as (
    select addresses, phones, customer_ids, contact_ids, asked_at from earlier
    union all
    select
        cast(:addresses as text[]), cast(:phones as text[]), cast(:customer_ids as uuid[]), cast(:contact_ids as integer[]),
        case when :is_asked then clock_timestamp() end
)
insert into unfinished_erasures (addresses, phones, customer_ids, contact_ids, asked_at)
select
    array(select distinct each from known, unnest(known.addresses) as each order by each),
    array(select distinct each from known, unnest(known.phones) as each order by each),
    array(select distinct each from known, unnest(known.customer_ids) as each order by each),
    array(select distinct each from known, unnest(known.contact_ids) as each order by each),
    coalesce((select max(asked_at) from known), clock_timestamp())
returning addresses, phones, customer_ids, contact_ids;

-- name: forget_unfinished
-- Nothing of the person is left, so nothing has to be found again.
delete from unfinished_erasures
where addresses && cast(:addresses as text[]) or customer_ids && cast(:customer_ids as uuid[]);

-- name: next_unfinished
-- The one that was tried longest ago, and not since this run began. Taken by its time: two runs never try the same one.
update unfinished_erasures
set tried_at = clock_timestamp()
where id = (
    select id
    from unfinished_erasures
    where tried_at < :before
    order by tried_at, id
    limit 1
    for update skip locked
)
returning addresses, phones, customer_ids, contact_ids;

-- name: give_up_unfinished
-- Nobody is kept for long in the one table that outlives an erasure; nor is somebody erased who has consented since.
delete from unfinished_erasures erasure
where asked_at < clock_timestamp() - cast(:days as integer) * interval '1 day'
    or exists (
        select
        from consent_events granted
        where granted.channel = 'email' and granted.address = any (erasure.addresses) and granted.kind = 'consent'
            and granted.recorded_at > erasure.asked_at
    )
returning asked_at < clock_timestamp() - cast(:days as integer) * interval '1 day' as is_old;

-- name: complete_receipt
-- What a last look at all tables found afterwards.
update erasure_receipts set receipt = :receipt where id = :id;

-- name: erasures_of
-- Every erasure that left a hash of one of these marks, and whether one of them still keeps the person away.
select asked.is_erased, receipt.id, receipt.at, receipt.receipt
from (
    select coalesce(bool_or(is_erased(null, :channel, mark)), false) as is_erased from unnest(:marks::text[]) as mark
) asked
left join erasure_receipts receipt on receipt.subject && array(
    select erased_key(mark, (select value from installation_settings where key = 'erasure_salt'))
    from unnest(:marks::text[]) as mark
)
order by receipt.id;

-- name: tries_of
-- Receipts of one person from the first that is not complete on; what was complete before has nothing to do with them.
with theirs as materialized (
    select id, (receipt ->> 'complete')::boolean as is_complete from erasure_receipts where subject && :subject::text[]
),
latest as (
    select max(id) as id from theirs
)
select theirs.id
from theirs
where theirs.id > coalesce((select max(done.id) from theirs done, latest where done.is_complete and done.id < latest.id), 0)
order by theirs.id;
