-- Rows of cold outreach carry a workspace's name. A name belongs for good to the workspace that had it first, so that nobody
-- who takes it later, after a rename or a deletion, sees or changes what lies under it.
set local lock_timeout = '5s';

-- No foreign key: the line outlives the workspace.
create table if not exists workspace_names (
    name text primary key,
    workspace_id uuid not null,
    since timestamptz not null default now()
);
create index if not exists idx_workspace_names_workspace on workspace_names (workspace_id);
select secure_table('workspace_names', 'workspace_id = any ((select current_workspace_ids())::uuid[])');

insert into workspace_names (name, workspace_id)
select name, id from workspaces order by id
on conflict do nothing;

-- After the row: an upsert that meets an existing workspace inserts none.
create or replace function keep_workspace_name() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into workspace_names (name, workspace_id) values (new.name, new.id) on conflict do nothing;
    if not exists (select from workspace_names where name = new.name and workspace_id = new.id) then
        raise exception 'another workspace has or had this name' using
            errcode = 'unique_violation', table = 'workspaces', constraint = 'workspace_name_is_not_reused',
            hint = 'Choose another name; rows of the former workspace still carry this one.';
    end if;
    return null;
end
$$;
revoke all on function keep_workspace_name() from public, anon, authenticated, service_role, crm_relay;
create or replace trigger keep_workspace_name after insert or update of name on workspaces
    for each row execute function keep_workspace_name();

-- All names that the caller's workspaces have or had: a rename hides nothing from its own members.
create or replace function current_workspace_names() returns text[]
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(array_agg(known.name), '{}')
    from workspace_members member
    join workspace_names known on known.workspace_id = member.workspace_id
    where member.user_id = current_user_id()
$$;

-- A delivery under a former name belongs to the workspace that had it, and not to the installation's organization.
do $$
declare
    applies constant regprocedure := to_regprocedure('apply_bison_delivery(jsonb,jsonb)');
begin
    if applies is not null then
        execute replace(
            pg_get_functiondef(applies), 'from workspaces where name = workspace;',
            'from workspaces where id = (select workspace_id from workspace_names where name = workspace);'
        );
    end if;
end
$$;

-- replaces: left join workspaces workspace on workspace.name = lead.workspace_name
create or replace view person_addresses with (security_invoker = true) as
select normalise_address(mail.email) as address, 'customer' as kind, profile.id as person_id, profile.org_id
from customer_emails mail
join customer_profiles profile on profile.id = mail.customer_id
where normalise_address(mail.email) is not null
union all
select normalise_address(email), 'contact', id, org_id
from contacts
where normalise_address(email) is not null
union all
select normalise_address(contact_email), 'prospect', id, org_id
from prospects
where normalise_address(contact_email) is not null
union all
select normalise_address(lead.lead_email), 'lead', lead.id, coalesce(workspace.org_id, default_org_id())
from client_leads lead
left join workspace_names known on known.name = lead.workspace_name
left join workspaces workspace on workspace.id = known.workspace_id
where normalise_address(lead.lead_email) is not null;

comment on table workspace_names is 'Every name that a workspace has or had; a line is never given to another workspace.';
