-- Views of operations. Written by `make schema`: change it by a migration.


create view person_addresses with (security_invoker = true) as
select
    normalise_address(mail.email) as address,
    'customer' as kind,
    profile.id as person_id,
    profile.org_id
from customer_emails mail
join customer_profiles profile on profile.id = mail.customer_id
where normalise_address(mail.email) is not null
union all
select
    normalise_address(contacts.email) as address,
    'contact' as kind,
    contacts.id as person_id,
    contacts.org_id
from contacts
where normalise_address(contacts.email) is not null
union all
select
    normalise_address(prospects.contact_email) as address,
    'prospect' as kind,
    prospects.id as person_id,
    prospects.org_id
from prospects
where normalise_address(prospects.contact_email) is not null
union all
select
    normalise_address(lead.lead_email) as address,
    'lead' as kind,
    lead.id as person_id,
    coalesce(workspace.org_id, default_org_id()) as org_id
from client_leads lead
left join workspace_names known on known.name = lead.workspace_name
left join workspaces workspace on workspace.id = known.workspace_id
where normalise_address(lead.lead_email) is not null;

comment on view person_addresses is 'Normalised address, kind (customer, contact, prospect) and id of everybody who has one.';
grant select on person_addresses to authenticated, crm_relay, service_role;
