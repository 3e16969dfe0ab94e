-- Who is asked for an approval, for whom they stand, and what they decided; only our own role writes it.
set local lock_timeout = '5s';
select remember_tables();

alter table workflow_approvals add column if not exists title text;
alter table workflow_approvals add column if not exists message text;
-- Who wants it: never who decides it. Null: nobody whom the database knows.
alter table workflow_approvals add column if not exists requester_id uuid references user_profiles (id) on delete set null;
-- The places in the step's list of approvers for which the answer counts.
alter table workflow_approvals add column if not exists entries integer[] not null default '{0}';
-- So many have to approve of those who are asked at once; null: one for each place in the list.
alter table workflow_approvals add column if not exists quorum integer;
-- Whom the list means; somebody else is asked in their place where they are away or gone. Null: the list finds nobody.
alter table workflow_approvals add column if not exists stands_for uuid references user_profiles (id) on delete set null;
alter table workflow_approvals add column if not exists came_by text not null default 'self';
-- The approval that was handed on to this one.
alter table workflow_approvals add column if not exists follows uuid;
alter table workflow_approvals add column if not exists remind_at timestamptz;
alter table workflow_approvals add column if not exists reminded_at timestamptz;
alter table workflow_approvals add column if not exists overdue_at timestamptz;
alter table workflow_approvals add column if not exists expires_at timestamptz;
-- Why it is over without a decision of its own.
alter table workflow_approvals add column if not exists ended_for text;
-- Frozen with the decision: a colleague may have another name and role tomorrow.
alter table workflow_approvals add column if not exists decided_by uuid references user_profiles (id) on delete set null;
alter table workflow_approvals add column if not exists decided_by_name text;
alter table workflow_approvals add column if not exists decided_by_role text;
alter table workflow_approvals add column if not exists decided_via text;
-- The token of the API, or the operator at the command line.
alter table workflow_approvals add column if not exists decided_with text;

do $$
declare
    named record;
begin
    for named in
        select *
        from (values
            ('workflow_approvals_come_by', 'came_by in (''self'', ''deputy'', ''manager'', ''owner'', ''delegation'', ''escalation'')'),
            ('workflow_approvals_decided_via', 'decided_via in (''link'', ''page'', ''api'', ''cli'')'),
            (
                'workflow_approvals_say_how_decided',
                'status not in (''approved'', ''rejected'') or (responded_at is not null and decided_via is not null and decided_by_name is not null)'
            ),
            ('workflow_approvals_by_their_approver', 'decided_by is null or decided_by = approver_id'),
            ('workflow_approvals_not_by_the_requester', 'decided_by is null or requester_id is null or decided_by <> requester_id')
        ) as wanted (name, rule)
        where not exists (
            select from pg_constraint where conname = wanted.name and conrelid = 'workflow_approvals'::regclass
        )
    loop
        -- An application may have decided rows of its own before.
        execute format('alter table workflow_approvals add constraint %I check (%s) not valid', named.name, named.rule);
    end loop;
end
$$;

-- Whoever has the link in a mail. The token is in no table; a reminder has another one for the same approval.
create table if not exists workflow_approval_links (
    sha256 text primary key,
    approval_id uuid not null references workflow_approvals (id) on delete cascade,
    created_at timestamptz not null
);
create index if not exists idx_workflow_approval_links_approval on workflow_approval_links (approval_id);
select secure_new_table('workflow_approval_links');

-- A table that an application made may let members write: a decision is not made by SQL.
revoke insert, update, delete, truncate on workflow_approvals from public, anon, authenticated;

-- Whose decision a call of the API is; null: nobody's.
alter table api_tokens add column if not exists user_id uuid references user_profiles (id) on delete set null;

comment on table workflow_approval_links is 'The links of approvals by the SHA-256 of their token; each opens one approval.';
comment on column workflow_approvals.came_by is 'How the approver came to be asked: themselves, as a deputy, manager or owner, or because it was handed on.';
comment on column api_tokens.user_id is 'Whose decisions and starts the calls with this token are.';
