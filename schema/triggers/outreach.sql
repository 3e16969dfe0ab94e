-- Triggers of outreach. Written by `make schema`: change it by a migration.


create trigger forget_event_keys
    after truncate on webhook_delivery_log
    for each statement
    execute function forget_event_keys();


create trigger relabel_workspace
    after insert or update of name on workspaces
    for each row
    execute function relabel_workspace();
