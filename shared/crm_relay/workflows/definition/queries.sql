-- name: lock_definitions
-- Anyone who changes what an organization's workflows are is alone with it: a circle shows only in all of them together.
select pg_advisory_xact_lock(hashtextextended(owned.org_id::text, 61))
from (select distinct org_id from workflows where id = any (:ids::uuid[]) order by org_id) owned;

-- name: read_drafts
-- Workflows as they stand in their rows, held against a change by SQL, each with what of it is published.
select
    workflow.id, workflow.org_id, workflow.name, workflow.entity_type, workflow.definition, workflow.is_active,
    workflow.deleted_at is not null as is_deleted,
    encode(sha256(convert_to(workflow.entity_type || e'\n' || workflow.definition::text, 'UTF8')), 'hex') as source_hash,
    active.version as active_version, active.source_hash as active_hash, active.program as active_program,
    coalesce((select max(version) from workflow_versions where workflow_id = workflow.id), 0) as newest_version,
    clock_timestamp() as read_at
from workflows workflow
left join workflow_versions active on active.workflow_id = workflow.id and active.is_active
where workflow.id = any (:ids::uuid[])
order by workflow.id
for no key update of workflow;

-- name: read_states
-- The states of workflows.
select id, workflow_id, name, state_type, position
from workflow_states
where workflow_id = any (:ids::uuid[])
order by workflow_id, position, created_at, id;

-- name: read_transitions
-- The transitions of workflows, for definitions that list none.
select id, workflow_id, from_state_id, to_state_id, config
from workflow_transitions
where workflow_id = any (:ids::uuid[])
order by workflow_id, created_at, id;

-- name: read_published
-- Every active version of the organizations of these workflows: what a new one could start, and be started by.
select version.workflow_id, version.org_id, workflow.name, version.program
from workflow_versions version
join workflows workflow on workflow.id = version.workflow_id
where version.is_active
    and version.org_id in (select org_id from workflows where id = any (:ids::uuid[]));

-- name: read_waiting
-- Former versions that runs still go by: what those wait for has to be listened to.
select version.workflow_id, version.program
from workflow_versions version
where version.workflow_id = any (:ids::uuid[])
    and exists (
        select
        from workflow_executions run
        where run.workflow_id = version.workflow_id and run.version = version.version
            and run.status in ('pending', 'running', 'failed', 'paused')
    );

-- name: read_schedules
-- When scheduled triggers are due: one that stays the same keeps its time.
select workflow_id, trigger_index, next_at from workflow_schedules where workflow_id = any (:ids::uuid[]);

-- name: read_columns
-- The columns of tables, an application's own included.
select
    relation as table_name, array_agg(attribute.attname::text) as columns,
    jsonb_object_agg(attribute.attname, format_type(attribute.atttypid, null)) as types
from unnest(:tables::text[]) relation
join pg_attribute attribute on attribute.attrelid = to_regclass('public.' || quote_ident(relation))
where attribute.attnum > 0 and not attribute.attisdropped
group by relation;

-- name: read_catalog
-- Of what programs name all that the organizations have; and states whose ids are another workflow's.
select org_id, 'person' as kind, id::text as name, null::text[] as texts
from user_profiles
where org_id = any (:orgs::uuid[]) and id = any (:people::uuid[]) and is_active
union all
select distinct org_id, 'role', role, null::text[]
from user_profiles
where org_id = any (:orgs::uuid[]) and role = any (:roles::text[]) and is_active
union all
select template.org_id, 'letter', called.name, array[template.subject, template.body_html, template.body_text]
from email_templates template
cross join lateral (values (template.id::text), (template.slug)) called (name)
where template.org_id = any (:orgs::uuid[]) and called.name = any (:letters::text[]) and template.is_active
union all
select template.org_id, 'notice', template.slug, null::text[]
from notification_templates template
where (template.org_id is null or template.org_id = any (:orgs::uuid[])) and template.slug = any (:notices::text[])
    and template.is_active
union all
select null, 'state', id::text, null::text[] from workflow_states where id = any (:states::uuid[]);

-- name: insert_states
-- The states of a definition that have no row yet.
insert into workflow_states (id, workflow_id, name, state_type, position)
select id, workflow_id, name, state_type, position
from :states as state (id uuid, workflow_id uuid, name text, state_type text, position integer)
on conflict (id) do nothing;

-- name: end_versions
-- What ran until now runs no more; runs that have begun keep it.
update workflow_versions
set is_active = false, ended_at = clock_timestamp()
where workflow_id = any (:ids::uuid[]) and is_active
returning workflow_id, version;

-- name: insert_versions
-- What is published, for ever. What happened until now starts nothing.
insert into workflow_versions (
    workflow_id, version, org_id, entity_type, definition, program, source_hash, is_active, starts_from, published_at, published_by
)
select
    workflow_id, version, org_id, entity_type, definition, program, source_hash, true, clock_timestamp(), clock_timestamp(), :who
from jsonb_to_recordset(:versions) as version (
    workflow_id uuid, version integer, org_id uuid, entity_type text, definition jsonb, program jsonb, source_hash text
);

-- name: mark_published
-- The row says what is true: which version is the newest, and that it is active.
update workflows
set is_active = true, version = published.version, updated_at = clock_timestamp()
from :published as published (workflow_id uuid, version integer)
where workflows.id = published.workflow_id;

-- name: mark_inactive
-- Only where it is not so already, since a row that SQL has set inactive says it itself.
update workflows set is_active = false, updated_at = clock_timestamp() where id = any (:ids::uuid[]) and is_active;

-- name: forget_listeners
-- Before those of the version that is active now; those of watched drafts stay.
delete from workflow_listeners where workflow_id = any (:ids::uuid[]) and not is_watched;

-- name: insert_listeners
-- What the published version and the runs of former ones listen to.
insert into workflow_listeners (workflow_id, org_id, entity_type, topic)
select workflow_id, org_id, entity_type, topic
from jsonb_to_recordset(:listeners) as listener (workflow_id uuid, org_id uuid, entity_type text, topic text)
on conflict do nothing;

-- name: forget_schedules
-- Those that the version that is active now has no more, or has at another time.
with former as (
    select workflow_id, trigger_index
    from workflow_schedules
    where workflow_id = any (:ids::uuid[])
        and (workflow_id, trigger_index) not in (
            select workflow_id, trigger_index from :kept as kept (workflow_id uuid, trigger_index integer)
        )
    order by workflow_id, trigger_index
    for update
)
delete from workflow_schedules schedule
using former
where schedule.workflow_id = former.workflow_id and schedule.trigger_index = former.trigger_index;

-- name: insert_schedules
-- When each scheduled trigger is due first.
insert into workflow_schedules (workflow_id, trigger_index, org_id, next_at)
select workflow_id, trigger_index, org_id, next_at
from :schedules as schedule (workflow_id uuid, trigger_index integer, org_id uuid, next_at timestamptz)
on conflict (workflow_id, trigger_index) do nothing;

-- name: to_adopt
-- What SQL has done to rows: `adopt` a definition, `end` a version, or `forget` an incident whose row is mended or gone.
with open as materialized (
    select uuid_or_null(split_part(subject, '/', 2)) as workflow_id, subject
    from incidents
    where kind = :kind and closed_at is null and told_closed_at is null
),
differing as materialized (
    select workflow.id, open.subject
    from workflows workflow
    left join open on open.workflow_id = workflow.id
    where workflow.is_active and workflow.deleted_at is null
        and not exists (
            select
            from workflow_versions version
            where version.workflow_id = workflow.id and version.is_active
                and version.source_hash
                    = encode(sha256(convert_to(workflow.entity_type || e'\n' || workflow.definition::text, 'UTF8')), 'hex')
        )
),
adopted as (
    -- Rows that were refused before come last, in an order that changes, so that they keep no others waiting.
    select id
    from differing
    order by subject is not null, hashtextextended(id::text, extract(epoch from cast(:now as timestamptz))::bigint)
    limit :limit
),
ended as (
    select version.workflow_id as id
    from workflow_versions version
    join workflows workflow on workflow.id = version.workflow_id
    where version.is_active and (not workflow.is_active or workflow.deleted_at is not null)
    order by version.workflow_id
    limit :limit
)
select 'adopt' as what, id, null as subject from adopted
union all
select 'end', id, null from ended
union all
select 'forget', open.workflow_id, open.subject
from open
where open.workflow_id is null or open.workflow_id not in (select id from differing);

-- name: find_workflows
-- By id, or by name.
select id
from workflows
where deleted_at is null and (id = :id or name = :name) and (cast(:org as uuid) is null or org_id = :org)
order by id = :id desc
limit 2;

-- name: insert_draft
-- Nothing starts before it is published. The organization is the installation's own where none is given.
with made as (
    insert into workflows (org_id, name, description, entity_type, definition, is_active, owner_id)
    select coalesce(cast(:org as uuid), default_org_id()), :name, :description, :entity_type, :definition, false, :owner
    where not exists (
        select
        from workflows
        where org_id = coalesce(cast(:org as uuid), default_org_id()) and name = :name and deleted_at is null
    )
    returning id, org_id
),
history as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select org_id, 'workflow', id, 'created', clock_timestamp(), jsonb_build_object('by', cast(:who as text)) from made
)
select id, org_id from made;

-- name: save_draft
-- The row only; what is published goes on until the draft is published too. `description` null: as it was.
with saved as (
    update workflows
    set
        name = :name, description = coalesce(:description, description), entity_type = :entity_type, definition = :definition,
        owner_id = coalesce(:owner, owner_id), updated_at = clock_timestamp()
    where id = :id and deleted_at is null
    returning id, org_id, is_active
),
history as (
    insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
    select org_id, 'workflow', id, 'draft_saved', clock_timestamp(), jsonb_build_object('by', cast(:who as text)) from saved
)
select id, is_active from saved;

-- name: note_deactivated
-- Who ended the active version of a workflow, in its history.
insert into entity_history (org_id, entity_type, entity_id, change_type, changed_at, metadata)
values (:org, 'workflow', :id, 'deactivated', clock_timestamp(), jsonb_build_object('by', cast(:who as text)));

-- name: owner_is_there
-- Whether a colleague of the organization has this id.
select
from user_profiles
where id = :owner and org_id = coalesce(cast(:org as uuid), default_org_id()) and is_active;

-- name: list_workflows
-- By organization and name, from behind the last one of the page before.
select
    workflow.id, workflow.org_id, workflow.name, workflow.description, workflow.entity_type, workflow.is_active, workflow.paused_at,
    workflow.paused_reason, workflow.owner_id, active.version as active_version, active.published_at, active.published_by,
    coalesce(
        active.source_hash
            <> encode(sha256(convert_to(workflow.entity_type || e'\n' || workflow.definition::text, 'UTF8')), 'hex'),
        false
    ) as has_changes,
    open.details -> 'problems' as problems
from workflows workflow
left join workflow_versions active on active.workflow_id = workflow.id and active.is_active
left join incidents open on open.kind = :kind and open.subject = workflow.org_id || '/' || workflow.id and open.closed_at is null
    and open.told_closed_at is null
where workflow.deleted_at is null
    and (cast(:org as uuid) is null or workflow.org_id = :org)
    and (cast(:only as uuid) is null or workflow.id = :only)
    and (cast(:after_name as text) is null or (workflow.name, workflow.id) > (:after_name, cast(:after_id as uuid)))
order by workflow.name, workflow.id
limit :limit;

-- name: show_definition
-- The draft of a workflow.
select definition from workflows where id = :id and deleted_at is null;

-- name: list_versions
-- All that was ever published of a workflow, the newest first.
select version, entity_type, is_active, starts_from, published_at, published_by, ended_at, definition
from workflow_versions
where workflow_id = :id
order by version desc
limit :limit;
