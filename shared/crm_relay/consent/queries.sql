-- name: record_events
-- A whole batch, each event once; the function is the ledger's one way in, for SQL as well.
select record_consent_events(:events) as recorded;

-- name: import_events
-- What is dated ahead is measured by the database's clock, since the importing machine's may be wrong.
with given as (
    select
        event, place,
        case
            when (event ->> 'occurred_at')::timestamptz not between
                timestamptz '0001-01-01 00:00:00+00' and clock_timestamp() + consent_clock_tolerance() then 'time'
            when event ->> 'org_id' is not null and not exists (
                select from organizations org where org.id = (event ->> 'org_id')::uuid
            ) then 'organization'
        end as reason
    from jsonb_array_elements(:events) with ordinality as listed (event, place)
)
select
    record_consent_events(coalesce(jsonb_agg(event order by place) filter (where reason is null), '[]')) as recorded,
    coalesce(
        jsonb_agg(jsonb_build_object('place', place - 1, 'reason', reason) order by place) filter (where reason is not null), '[]'
    ) as refused
from given;

-- name: grant_consent
-- The one way back: ledger and marks in one statement. A consent counts now at the latest, and an opt-out of its moment stays.
with granted as (
    insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
    values (
        coalesce(cast(:org_id as uuid), default_org_id()), :channel, :address, 'consent', :source, :evidence,
        least(cast(:occurred_at as timestamptz), clock_timestamp())
    )
    returning org_id, channel, address, occurred_at
),
concerned as (
    select mail.customer_id, bool_or(mail.is_valid is false) as is_invalid
    from granted
    join customer_emails mail on normalise_address(mail.email) = granted.address
    join customer_profiles owner
        on owner.id = mail.customer_id and coalesce(owner.org_id, default_org_id()) = granted.org_id
    where granted.channel = 'email'
    group by mail.customer_id
),
cleared as (
    update customer_profiles profile
    set opted_out_at = null
    from concerned, granted
    where profile.id = concerned.customer_id and least(profile.opted_out_at, clock_timestamp()) < granted.occurred_at
),
cleared_contacts as (
    delete from contact_opt_outs stamp
    using granted
    where stamp.channel = granted.channel and stamp.opted_out_at < granted.occurred_at
        and stamp.contact_id in (
            select person.id
            from contacts person
            join granted on granted.channel = 'email' and granted.org_id = person.org_id
                and normalise_address(person.email) = granted.address
            union all
            select person.id
            from contacts person
            join granted on granted.channel = 'sms' and granted.org_id = person.org_id
                and normalise_phone(person.phone) = granted.address
        )
)
select
    count(*)::integer as customers,
    count(*) filter (where profile.do_not_contact is true)::integer as do_not_contact,
    count(*) filter (where concerned.is_invalid)::integer as invalid_address
from concerned
join customer_profiles profile on profile.id = concerned.customer_id;

-- name: organization_called
-- By its id or its name; a name that two of them have is nobody's.
select id from organizations where id::text = lower(:wanted) or name = :wanted limit 2;

-- name: history
-- Everything that was ever recorded about one address, for anyone who asks why.
select
    id, org_id, channel, address, kind, source, source_event, evidence,
    least(greatest(occurred_at, timestamptz '0001-01-01 00:00:00+00'), timestamptz '9999-12-31 23:59:59.999999+00') as occurred_at,
    recorded_at
from consent_events
where channel in ('email', 'sms') and address = any (cast(:addresses as text[]))
order by consent_events.occurred_at, id;

-- name: entry
-- One line, to be corrected by another one.
select
    id, org_id, channel, address, kind, source, source_event, evidence,
    least(greatest(occurred_at, timestamptz '0001-01-01 00:00:00+00'), timestamptz '9999-12-31 23:59:59.999999+00') as occurred_at,
    recorded_at
from consent_events
where channel in ('email', 'sms') and id = :id;

-- name: ledger_page
-- The ledger piece by piece, in the order in which it was written, however long it is.
select
    id, org_id, channel, address, kind, source, source_event, evidence,
    least(greatest(occurred_at, timestamptz '0001-01-01 00:00:00+00'), timestamptz '9999-12-31 23:59:59.999999+00') as occurred_at,
    recorded_at
from consent_events
where id > :after
order by id
limit :page_size;

-- name: erasure_salt
-- With it Python's hash of an address is the database's.
select value from installation_settings where key = 'erasure_salt';

-- name: allow_erasure
-- The ledger is append-only but for this: an address may be replaced by its hash, until the transaction ends.
select set_config('app.erasure', 'on', true);

-- name: hash_entries
-- The person's lines stay as evidence that somebody opted out, without saying who.
with given as (
    select * from jsonb_to_recordset(:marks) as given (channel text, mark text, key text)
),
repeated as (
    -- The same event under address and hash: one of them is enough.
    delete from consent_events event
    using given
    where event.channel = given.channel and event.address = given.mark
        and exists (
            select
            from consent_events twin
            where twin.channel = given.channel and twin.address = given.key
                and twin.source = event.source and twin.source_event = event.source_event
                and twin.kind = event.kind and twin.org_id = event.org_id
        )
    returning event.id
),
hashed as (
    update consent_events event
    set address = given.key, evidence = case when event.kind = 'consent' then 'erased' end
    from given
    where event.channel = given.channel and event.address = given.mark
        and not exists (
            select
            from consent_events twin
            where twin.channel = given.channel and twin.address = given.key
                and twin.source = event.source and twin.source_event = event.source_event
                and twin.kind = event.kind and twin.org_id = event.org_id
        )
    returning event.id
)
select (select count(*) from repeated)::integer + (select count(*) from hashed)::integer as entries;

-- name: record_erasure
-- One line a mark; an earlier erasure that no consent has lifted since says it already.
insert into consent_events (channel, address, kind, source, occurred_at)
select given.channel, given.key, 'erased', 'erase', :occurred_at
from jsonb_to_recordset(:marks) as given (channel text, key text)
where not exists (
    select
    from consent_events known
    where known.channel = given.channel and known.address = given.key and known.kind = 'erased'
        and not exists (
            select
            from consent_events lifted
            where lifted.channel = given.channel and lifted.address = given.key and lifted.kind = 'consent'
                and consent_effective_at(lifted.occurred_at, lifted.recorded_at)
                    > consent_effective_at(known.occurred_at, known.recorded_at)
        )
);
