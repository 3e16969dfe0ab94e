-- Triggers of customers. Written by `make schema`: change it by a migration.


create trigger note_mautic_dirty_insert
    after insert on consent_events
    referencing new table as after_rows
    for each statement
    execute function note_mautic_dirty_consent();


create trigger note_mautic_dirty_delete
    after delete on customer_addresses
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_former
    after update of customer_id on customer_addresses
    for each row
    when (old.customer_id is distinct from new.customer_id)
    execute function note_mautic_dirty_former();


create trigger note_mautic_dirty_insert
    after insert on customer_addresses
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_update
    after update on customer_addresses
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_delete
    after delete on customer_emails
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_former
    after update of customer_id on customer_emails
    for each row
    when (old.customer_id is distinct from new.customer_id)
    execute function note_mautic_dirty_former();


create trigger note_mautic_dirty_insert
    after insert on customer_emails
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_update
    after update on customer_emails
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_delete
    after delete on customer_engagement_metrics
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_former
    after update of customer_id on customer_engagement_metrics
    for each row
    when (old.customer_id is distinct from new.customer_id)
    execute function note_mautic_dirty_former();


create trigger note_mautic_dirty_insert
    after insert on customer_engagement_metrics
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_update
    after update on customer_engagement_metrics
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_delete
    after delete on customer_phones
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_former
    after update of customer_id on customer_phones
    for each row
    when (old.customer_id is distinct from new.customer_id)
    execute function note_mautic_dirty_former();


create trigger note_mautic_dirty_insert
    after insert on customer_phones
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_update
    after update on customer_phones
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_delete
    after delete on customer_profiles
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_id();


create trigger note_mautic_dirty_insert
    after insert on customer_profiles
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_id();


create trigger note_mautic_dirty_update
    after update on customer_profiles
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_id();


create trigger note_mautic_dirty_delete
    after delete on customer_segment_links
    referencing old table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_former
    after update of customer_id on customer_segment_links
    for each row
    when (old.customer_id is distinct from new.customer_id)
    execute function note_mautic_dirty_former();


create trigger note_mautic_dirty_insert
    after insert on customer_segment_links
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_dirty_update
    after update on customer_segment_links
    referencing new table as changed
    for each statement
    execute function note_mautic_dirty_by_customer();


create trigger note_mautic_removal
    after delete on mautic_sync_status
    referencing old table as before_rows
    for each statement
    execute function note_mautic_removal();


create trigger note_mautic_dirty_update
    after update on segments
    referencing old table as before_rows new table as after_rows
    for each statement
    execute function note_mautic_dirty_segment();
