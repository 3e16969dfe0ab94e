-- name: organizations
-- Those that there are; the installation's own first.
select
    organization.id, organization.name, coalesce(organization.postal_address, '') as postal_address, (
        select sender.from_address from email_identities sender where sender.org_id = organization.id and sender.is_default
    ) as sender
from organizations organization
order by organization.id <> default_org_id(), organization.name, organization.id
limit 50;

-- name: describe_organization
-- What the operator says of it; what they leave out stays.
update organizations
set name = coalesce(nullif(:name, ''), name), postal_address = coalesce(nullif(:postal_address, ''), postal_address)
where id = :id;

-- name: replace_default_sender
-- One sender of an organization is its default: the one of this address, if another one was it until now.
update email_identities set is_default = false, updated_at = :now
where org_id = :org_id and is_default and normalise_address(from_address) <> normalise_address(:address);

-- name: ensure_sender
-- The sender of this address, as the organization's default; without a name it keeps the one that it has.
insert into email_identities (org_id, from_address, from_name, is_default)
values (:org_id, :address, nullif(:name, ''), true)
on conflict (org_id, normalise_address(from_address)) do update
set is_default = true, from_name = coalesce(excluded.from_name, email_identities.from_name), updated_at = :now;
