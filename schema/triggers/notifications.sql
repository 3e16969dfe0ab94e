-- Triggers of notifications. Written by `make schema`: change it by a migration.


create trigger notification_category_added
    after insert on notification_categories
    referencing new table as changed
    for each statement
    execute function note_category_change();


create trigger notification_category_edited
    after update on notification_categories
    referencing old table as former new table as changed
    for each statement
    execute function note_category_change();


create trigger notification_category_removed
    after delete on notification_categories
    referencing old table as changed
    for each statement
    execute function note_category_change();


create trigger notification_delivery_status
    after update on notification_deliveries
    referencing old table as before_rows new table as after_rows
    for each statement
    execute function keep_delivery_status();


create trigger notification_preference_added
    after insert on notification_preferences
    referencing new table as changed
    for each statement
    execute function note_preference_change();


create trigger notification_preference_edited
    after update on notification_preferences
    referencing old table as former new table as changed
    for each statement
    execute function note_preference_change();


create trigger notification_preference_removed
    after delete on notification_preferences
    referencing old table as changed
    for each statement
    execute function note_preference_change();


create trigger stamp_notification_preference
    before insert or update on notification_preferences
    for each row
    execute function stamp_notification_preference();


create trigger count_template_version
    before update on notification_templates
    for each row
    when (old.* is distinct from new.*)
    execute function count_template_version();


create trigger keep_system_templates
    before update on notification_templates
    for each row
    when ((old.is_system or new.is_system) and old.* is distinct from new.*)
    execute function refuse_system_template_change();


create trigger keep_system_templates_from_deletion
    before delete on notification_templates
    for each row
    when (old.is_system)
    execute function refuse_system_template_change();


create trigger keep_system_templates_from_truncation
    before truncate on notification_templates
    for each statement
    execute function refuse_system_template_change();


create trigger notification_template_moved
    after update of category on notification_templates
    for each row
    when (old.category::text is distinct from new.category::text)
    execute function note_template_category();


create trigger broadcast_added_notifications
    after insert on notifications
    referencing new table as added
    for each statement
    execute function broadcast_notifications();


create trigger broadcast_changed_notifications
    after update on notifications
    referencing old table as former new table as present
    for each statement
    execute function broadcast_notifications();


create trigger broadcast_removed_notifications
    after delete on notifications
    referencing old table as removed
    for each statement
    execute function broadcast_notifications();


create trigger notification_category_moved
    after update of category on notifications
    for each row
    when (old.category is distinct from new.category)
    execute function note_notification_category();


create trigger stamp_notification
    before update on notifications
    for each row
    when (old.title is distinct from new.title or old.message is distinct from new.message or old.type is distinct
        from new.type or old.category is distinct from new.category or old.priority is distinct from new.priority
        or old.action_url is distinct from new.action_url or old.action_label is distinct from new.action_label
        or old.group_count is distinct from new.group_count or old.is_silent is distinct from new.is_silent
        or old.expires_at is distinct from new.expires_at or old.read_at is distinct from new.read_at
        or old.archived_at is distinct from new.archived_at)
    execute function stamp_notification();
