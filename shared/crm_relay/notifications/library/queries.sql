-- name: templates
-- The templates of an organization and the system's; of all organizations where none is named.
select template.*, template.org_id is null and exists (
    select
    from notification_templates own
    where own.slug = template.slug and own.is_active and own.org_id = :org_id
) as is_overridden
from notification_templates template
where template.org_id is null or cast(:org_id as uuid) is null or template.org_id = :org_id
order by template.slug, template.org_id nulls last
limit :limit;

-- name: templates_of_slug
-- An organization's own template and the system's of one slug, inactive ones too.
select template.*, false as is_overridden
from notification_templates template
where template.slug = :slug and (template.org_id is null or template.org_id = :org_id)
order by template.org_id nulls last;

-- name: organization_exists
-- Whether there is such an organization, before a template is kept for it.
select exists (select from organizations where id = :org_id) as is_there;

-- name: save_template
-- An organization's template: new, or changed; the trigger counts its versions, and one that is the same stays as it is.
insert into notification_templates as kept (
    org_id, is_system, slug, name, description, category, title_template, message_template, default_type, default_priority,
    action_url_template, action_label, email_subject_template, email_body_template, email_body_text_template, sms_template,
    default_channels, variables, conditions, is_active, unless_read_within
)
select
    :org_id, false, slug, name, description, category, title_template, message_template, default_type, default_priority,
    action_url_template, action_label, email_subject_template, email_body_template, email_body_text_template, sms_template,
    default_channels, variables, conditions, is_active, unless_read_within
from jsonb_to_record(:template) as template (
    slug text, name text, description text, category text, title_template text, message_template text, default_type text,
    default_priority text, action_url_template text, action_label text, email_subject_template text, email_body_template text,
    email_body_text_template text, sms_template text, default_channels jsonb, variables jsonb, conditions jsonb, is_active boolean,
    unless_read_within integer
)
on conflict (org_id, slug) do update set
    name = excluded.name, description = excluded.description, category = excluded.category,
    title_template = excluded.title_template, message_template = excluded.message_template,
    default_type = excluded.default_type, default_priority = excluded.default_priority,
    action_url_template = excluded.action_url_template, action_label = excluded.action_label,
    email_subject_template = excluded.email_subject_template, email_body_template = excluded.email_body_template,
    email_body_text_template = excluded.email_body_text_template, sms_template = excluded.sms_template,
    default_channels = excluded.default_channels, variables = excluded.variables, conditions = excluded.conditions,
    is_active = excluded.is_active, unless_read_within = excluded.unless_read_within
where (
    kept.name, kept.description, kept.category, kept.title_template, kept.message_template, kept.default_type, kept.default_priority,
    kept.action_url_template, kept.action_label, kept.email_subject_template, kept.email_body_template,
    kept.email_body_text_template, kept.sms_template, kept.default_channels, kept.variables, kept.conditions, kept.is_active,
    kept.unless_read_within
) is distinct from (
    excluded.name, excluded.description, excluded.category, excluded.title_template, excluded.message_template, excluded.default_type,
    excluded.default_priority, excluded.action_url_template, excluded.action_label, excluded.email_subject_template,
    excluded.email_body_template, excluded.email_body_text_template, excluded.sms_template, excluded.default_channels,
    excluded.variables, excluded.conditions, excluded.is_active, excluded.unless_read_within
)
returning id, version;
