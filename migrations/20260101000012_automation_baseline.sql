-- What the documents presuppose of workflows, notifications and mail templates; made only where missing.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists workflows (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    name text not null,
    description text,
    entity_type text not null,
    definition jsonb not null default '{}',
    is_active boolean not null default false,
    version integer not null default 1,
    created_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists workflow_states (
    id uuid primary key default gen_random_uuid(),
    workflow_id uuid not null references workflows (id) on delete cascade,
    name text not null,
    state_type text not null default 'intermediate',
    position integer not null default 0,
    config jsonb not null default '{}',
    created_at timestamptz not null default now()
);

create table if not exists workflow_transitions (
    id uuid primary key default gen_random_uuid(),
    workflow_id uuid not null references workflows (id) on delete cascade,
    from_state_id uuid references workflow_states (id) on delete cascade,
    to_state_id uuid references workflow_states (id) on delete cascade,
    name text,
    config jsonb not null default '{}',
    created_at timestamptz not null default now()
);

create table if not exists workflow_instances (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    workflow_id uuid not null references workflows (id) on delete cascade,
    entity_type text not null,
    entity_id uuid not null,
    current_state_id uuid references workflow_states (id) on delete set null,
    status text not null default 'active',
    created_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (workflow_id, entity_type, entity_id)
);

create table if not exists notifications (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    user_id uuid not null references user_profiles (id) on delete cascade,
    title text not null,
    message text not null,
    type text not null default 'info',
    category text not null,
    entity_type text,
    entity_id uuid,
    action_url text,
    action_label text,
    channels jsonb not null default '["in_app"]',
    priority text not null default 'normal',
    group_key text,
    expires_at timestamptz,
    delivery_status jsonb not null default '{}',
    read_at timestamptz,
    archived_at timestamptz,
    created_at timestamptz not null default now()
);

create table if not exists email_templates (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default default_org_id() references organizations (id) on delete cascade,
    name text not null,
    slug text,
    subject text,
    body_html text,
    body_text text,
    variables jsonb not null default '[]',
    is_active boolean not null default true,
    created_by uuid references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index if not exists idx_workflows_entity on workflows (org_id, entity_type) where is_active and deleted_at is null;
create index if not exists idx_workflow_states_workflow on workflow_states (workflow_id);
create index if not exists idx_workflow_transitions_workflow on workflow_transitions (workflow_id);
create index if not exists idx_notifications_user on notifications (user_id, created_at desc);

select secure_new_table(relation::regclass, 'org_id = (select current_org())')
from unnest(array['workflows', 'workflow_instances', 'email_templates']) as relation;
select secure_new_table(relation::regclass, format(
    'exists (select from workflows owner where owner.id = %s.workflow_id and owner.org_id = (select current_org()))', relation
))
from unnest(array['workflow_states', 'workflow_transitions']) as relation;
select secure_new_table('notifications', 'user_id = (select current_user_id())');

-- Who may use the admin API. Only the hash is kept: a token that is lost cannot be read back.
create table if not exists api_tokens (
    name text primary key,
    sha256 text not null unique,
    role text not null default 'reader',
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now()
);
select secure_table('api_tokens');

comment on table api_tokens is 'Named tokens of the admin API by their SHA-256; approvals and fixes record the name.';
