-- Triggers of workflows. Written by `make schema`: change it by a migration.


create trigger workflow_created
    after insert on accounts
    referencing new table as after_rows
    for each statement
    execute function note_created('account', 'status');


create trigger workflow_created
    after insert on activities
    referencing new table as after_rows
    for each statement
    execute function note_created('activity', 'status');


create trigger workflow_created
    after insert on campaign_enrollments
    referencing new table as after_rows
    for each statement
    execute function note_created('campaign_enrollment', 'status');


create trigger workflow_consent
    after insert on consent_events
    referencing new table as after_rows
    for each statement
    execute function note_consent_event();


create trigger workflow_created
    after insert on contacts
    referencing new table as after_rows
    for each statement
    execute function note_created('contact', 'status');


create trigger workflow_created
    after insert on deals
    referencing new table as after_rows
    for each statement
    execute function note_created('deal', 'status', 'stage');


create trigger workflow_replied
    after insert or update of is_auto_reply, headers_read_at, enrollment_id, from_address on inbox_items
    for each row
    execute function note_reply();


create trigger workflow_created
    after insert on jobs
    referencing new table as after_rows
    for each statement
    execute function note_created('job', 'status');


create trigger workflow_created
    after insert on placements
    referencing new table as after_rows
    for each statement
    execute function note_created('placement', 'status');


create trigger workflow_created
    after insert on submissions
    referencing new table as after_rows
    for each statement
    execute function note_created('submission', 'status');
