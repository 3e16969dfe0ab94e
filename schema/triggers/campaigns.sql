-- Triggers of campaigns. Written by `make schema`: change it by a migration.


create trigger count_enrollments_changed
    after update on campaign_enrollments
    referencing old table as before_rows new table as after_rows
    for each statement
    execute function count_enrollments();


create trigger count_enrollments_in
    after insert on campaign_enrollments
    referencing new table as after_rows
    for each statement
    execute function count_enrollments();


create trigger count_enrollments_out
    after delete on campaign_enrollments
    referencing old table as before_rows
    for each statement
    execute function count_enrollments();


create trigger note_person_resumed
    after update on campaign_enrollments
    for each row
    when (old.status = 'paused' and (new.status in ('active', 'engaged')))
    execute function note_campaign_hold_change('campaign_id', 'person_paused');


create trigger archive_deleted_lines
    after delete on campaign_sequence_logs
    referencing old table as before_rows
    for each statement
    execute function archive_deleted_lines();


create trigger note_campaign_change
    after update on campaigns
    for each row
    when (old.send_days is distinct from new.send_days or old.send_window_start is distinct from new.send_window_start
        or old.send_window_end is distinct from new.send_window_end or old.timezone is distinct from new.timezone
        or old.use_recipient_timezone is distinct from new.use_recipient_timezone or old.status is distinct
        from new.status)
    execute function note_campaign_hold_change('id', 'window campaign_unreadable campaign_paused');
