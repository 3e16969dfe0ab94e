-- The nine system templates, and what keeps them: nobody changes or deletes one, every change of another is a new version.
set local lock_timeout = '5s';

-- Refuses for every role. A migration that brings a new text disables the trigger for itself.
create or replace function refuse_system_template_change() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    raise exception 'a system template is changed by nobody; a template of an organization with the same slug overrides it'
        using errcode = 'check_violation';
end
$$;
create or replace trigger keep_system_templates before update on notification_templates
    for each row when ((old.is_system or new.is_system) and old.* is distinct from new.*)
    execute function refuse_system_template_change();
create or replace trigger keep_system_templates_from_deletion before delete on notification_templates
    for each row when (old.is_system) execute function refuse_system_template_change();
create or replace trigger keep_system_templates_from_truncation before truncate on notification_templates
    for each statement execute function refuse_system_template_change();

-- A notification keeps slug and version of its template, so a version never has two texts.
create or replace function count_template_version() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.version := coalesce(old.version, 1) + 1;
    new.updated_at := now();
    return new;
end
$$;
create or replace trigger count_template_version before update on notification_templates
    for each row when (old.* is distinct from new.*) execute function count_template_version();

revoke all on function refuse_system_template_change(), count_template_version()
    from public, anon, authenticated, service_role, crm_relay;

-- What a template leads to is an own path or https; which hosts are allowed is a setting.
do $$
begin
    if not exists (select from pg_constraint where conname = 'template_action_url' and conrelid = 'notification_templates'::regclass) then
        alter table notification_templates add constraint template_action_url
            check (action_url_template ~ '^(/([^/\\]|$)|https://)') not valid;
    end if;
end
$$;

insert into notification_templates (
    org_id, is_system, slug, category, name, title_template, message_template, email_subject_template, email_body_template,
    default_type, default_channels, action_label, variables
)
select null, true, seed.slug, seed.category, seed.name, seed.title, seed.message, seed.subject, seed.html, seed.type,
    seed.channels::jsonb, seed.label, seed.variables::jsonb
from (values
    (
        'submission_created', 'submission', 'Submission created', 'info', '["in_app", "email"]', null,
        'New submission for {{job.title}}',
        '{{submitter.name}} submitted {{candidate.name}} to {{job.title}}.',
        'New candidate submission: {{job.title}}',
        '<p>{{submitter.name}} submitted a new candidate.</p><p><strong>Candidate:</strong> {{candidate.name}}</p><p><strong>Job:</strong> {{job.title}}</p>',
        '[{"name": "job.title", "type": "string", "required": true}, {"name": "candidate.name", "type": "string", "required": true}, {"name": "submitter.name", "type": "string", "required": true}]'
    ),
    (
        'submission_status_changed', 'submission', 'Submission status changed', 'info', '["in_app"]', null,
        'Submission status: {{status}}',
        '{{candidate.name}} for {{job.title}} is now {{status}}.',
        'Submission update: {{candidate.name}} - {{status}}',
        '<p>The status of a submission has changed.</p><p><strong>Candidate:</strong> {{candidate.name}}</p><p><strong>Job:</strong> {{job.title}}</p><p><strong>Status:</strong> {{status}}</p>',
        '[{"name": "status", "type": "string", "required": true}, {"name": "candidate.name", "type": "string", "required": true}, {"name": "job.title", "type": "string", "required": true}]'
    ),
    (
        'interview_scheduled', 'interview', 'Interview scheduled', 'info', '["in_app", "email"]', null,
        'Interview scheduled: {{candidate.name}}',
        'Interview with {{candidate.name}} for {{job.title}} on {{interview.date}} at {{interview.time}}.',
        'Interview scheduled: {{candidate.name}} for {{job.title}}',
        '<p>An interview has been scheduled.</p><p><strong>Candidate:</strong> {{candidate.name}}</p><p><strong>Job:</strong> {{job.title}}</p><p><strong>Date:</strong> {{interview.date}}</p><p><strong>Time:</strong> {{interview.time}}</p>',
        '[{"name": "candidate.name", "type": "string", "required": true}, {"name": "job.title", "type": "string", "required": true}, {"name": "interview.date", "type": "date", "required": true}, {"name": "interview.time", "type": "time", "required": true}]'
    ),
    (
        'deal_stage_changed', 'deal', 'Deal stage changed', 'info', '["in_app"]', null,
        'Deal moved to {{stage}}',
        '{{deal.name}} has been moved to {{stage}}.',
        'Deal update: {{deal.name}} - {{stage}}',
        '<p>A deal has moved to another stage.</p><p><strong>Deal:</strong> {{deal.name}}</p><p><strong>New stage:</strong> {{stage}}</p>',
        '[{"name": "deal.name", "type": "string", "required": true}, {"name": "stage", "type": "string", "required": true}]'
    ),
    (
        'deal_closed_won', 'deal', 'Deal closed won', 'success', '["in_app", "email"]', null,
        'Deal won: {{deal.name}}',
        '{{deal.name}}, worth {{deal.value|an amount that is not recorded}}, has been won!',
        'Congratulations! Deal won: {{deal.name}}',
        '<p>Great news: a deal has been won.</p><p><strong>Deal:</strong> {{deal.name}}</p><p><strong>Value:</strong> {{deal.value|not recorded}}</p>',
        '[{"name": "deal.name", "type": "string", "required": true}, {"name": "deal.value", "type": "money", "required": false, "description": "A number with deal.currency beside it, or an object of amount and currency"}]'
    ),
    (
        'task_assigned', 'assignment', 'Task assigned', 'info', '["in_app", "email"]', null,
        'New task assigned',
        '{{assigner.name}} assigned you: {{task.title}}',
        'New task: {{task.title}}',
        '<p>You have been assigned a new task.</p><p><strong>Task:</strong> {{task.title}}</p><p><strong>Assigned by:</strong> {{assigner.name}}</p>',
        '[{"name": "task.title", "type": "string", "required": true}, {"name": "assigner.name", "type": "string", "required": true}]'
    ),
    (
        'approval_required', 'workflow', 'Approval required', 'action_required', '["in_app", "email"]', 'Review and approve',
        'Approval needed: {{item.title}}',
        '{{requester.name}} is requesting your approval for {{item.title}}.',
        'Approval request: {{item.title}}',
        '<p>Your approval is required.</p><p><strong>Item:</strong> {{item.title}}</p><p><strong>Requested by:</strong> {{requester.name}}</p><p><a href="{{action_url}}">Review and approve</a></p>',
        '[{"name": "item.title", "type": "string", "required": true}, {"name": "requester.name", "type": "string", "required": true}, {"name": "action_url", "type": "string", "required": true, "description": "The link of the request"}]'
    ),
    (
        'campaign_activated', 'campaign', 'Campaign activated', 'success', '["in_app"]', null,
        'Campaign is now live',
        '{{campaign.name}} has been activated with {{campaign.enrolled_count}} prospects.',
        'Campaign live: {{campaign.name}}',
        '<p>Your campaign is now active.</p><p><strong>Campaign:</strong> {{campaign.name}}</p><p><strong>Enrolled:</strong> {{campaign.enrolled_count}} prospects</p>',
        '[{"name": "campaign.name", "type": "string", "required": true}, {"name": "campaign.enrolled_count", "type": "number", "required": true}]'
    ),
    (
        'mention_comment', 'mention', 'Mentioned in a comment', 'info', '["in_app", "email"]', null,
        '{{mentioner.name}} mentioned you',
        '{{mentioner.name}} mentioned you in a comment on {{entity.name}}.',
        'You were mentioned: {{entity.name}}',
        '<p>{{mentioner.name}} mentioned you in a comment on {{entity.name}}:</p><blockquote>{{comment.excerpt}}</blockquote>',
        '[{"name": "mentioner.name", "type": "string", "required": true}, {"name": "entity.name", "type": "string", "required": true}, {"name": "comment.excerpt", "type": "string", "required": false}]'
    )
) as seed (slug, category, name, type, channels, label, title, message, subject, html, variables)
where not exists (select from notification_templates known where known.org_id is null and known.slug = seed.slug);
