-- Triggers of crm. Written by `make schema`: change it by a migration.


create trigger check_workspace_zone
    before insert or update of timezone on workspaces
    for each row
    execute function check_workspace_zone();


create trigger keep_workspace_name
    after insert or update of name on workspaces
    for each row
    execute function keep_workspace_name();
