-- name: read_records
-- Records of any table as they are now, with the contact, account and owner that hang on each; what is gone is left out.
with record as materialized (
    select 'account' as entity_type, id, to_jsonb(each) as fields from accounts each where id = any (:account::uuid[])
    union all
    select 'contact', id, to_jsonb(each) from contacts each where id = any (:contact::uuid[])
    union all
    select 'deal', id, to_jsonb(each) from deals each where id = any (:deal::uuid[])
    union all
    select 'job', id, to_jsonb(each) from jobs each where id = any (:job::uuid[])
    union all
    select 'submission', id, to_jsonb(each) from submissions each where id = any (:submission::uuid[])
    union all
    select 'placement', id, to_jsonb(each) from placements each where id = any (:placement::uuid[])
    union all
    select 'activity', id, to_jsonb(each) from activities each where id = any (:activity::uuid[])
    union all
    select 'campaign_enrollment', id, to_jsonb(each) from campaign_enrollments each where id = any (:campaign_enrollment::uuid[])
)
select
    record.entity_type, record.id, record.fields as record,
    case when record.entity_type = 'contact' then record.fields else to_jsonb(contact) end as contact,
    case when record.entity_type = 'account' then record.fields else to_jsonb(account) end as account,
    to_jsonb(owner) as owner
from record
left join contacts contact on record.entity_type <> 'contact' and contact.deleted_at is null
    and contact.org_id = uuid_or_null(record.fields ->> 'org_id')
    and contact.id = uuid_or_null(case
        when record.entity_type <> 'activity'
            then coalesce(record.fields ->> 'lead_contact_id', record.fields ->> 'candidate_id', record.fields ->> 'contact_id')
        when record.fields ->> 'entity_type' = 'contact' then record.fields ->> 'entity_id'
    end)
left join accounts account on record.entity_type <> 'account' and account.deleted_at is null
    and account.org_id = uuid_or_null(record.fields ->> 'org_id')
    and account.id = coalesce(uuid_or_null(record.fields ->> 'account_id'), contact.account_id)
left join user_profiles owner on owner.org_id = uuid_or_null(record.fields ->> 'org_id')
    and owner.id = coalesce(
        uuid_or_null(case record.entity_type when 'activity' then record.fields ->> 'assignee_id' else record.fields ->> 'owner_id' end),
        case record.entity_type when 'campaign_enrollment' then contact.owner_id end
    );

-- name: next_records
-- A page of an organization's records of one type, by id.
select id
from (
    select id from accounts where :entity_type = 'account' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from contacts where :entity_type = 'contact' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from deals where :entity_type = 'deal' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from jobs where :entity_type = 'job' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from submissions where :entity_type = 'submission' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from placements where :entity_type = 'placement' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id from activities where :entity_type = 'activity' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
    union all
    select id
    from campaign_enrollments
    where :entity_type = 'campaign_enrollment' and org_id = :org_id and (cast(:after as uuid) is null or id > :after)
) record
order by id
limit :limit;
