-- Triggers of edge_cache. Written by `make schema`: change it by a migration.


create trigger edge_deleted
    after delete on campaigns
    referencing old table as gone
    for each statement
    execute function note_edge_change();


create trigger edge_inserted
    after insert on campaigns
    referencing new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_truncated
    before truncate on campaigns
    for each statement
    execute function note_edge_change();


create trigger edge_updated
    after update on campaigns
    referencing old table as former new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_version
    before insert or update on campaigns
    for each row
    execute function draw_edge_version();


create trigger edge_deleted
    after delete on emails
    referencing old table as gone
    for each statement
    execute function note_edge_change();


create trigger edge_inserted
    after insert on emails
    referencing new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_truncated
    before truncate on emails
    for each statement
    execute function note_edge_change();


create trigger edge_updated
    after update on emails
    referencing old table as former new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_version
    before insert or update on emails
    for each row
    execute function draw_edge_version();


create trigger edge_deleted
    after delete on mailboxes
    referencing old table as gone
    for each statement
    execute function note_edge_change();


create trigger edge_inserted
    after insert on mailboxes
    referencing new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_truncated
    before truncate on mailboxes
    for each statement
    execute function note_edge_change();


create trigger edge_updated
    after update on mailboxes
    referencing old table as former new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_version
    before insert or update on mailboxes
    for each row
    execute function draw_edge_version();


create trigger edge_deleted
    after delete on prospects
    referencing old table as gone
    for each statement
    execute function note_edge_change();


create trigger edge_inserted
    after insert on prospects
    referencing new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_truncated
    before truncate on prospects
    for each statement
    execute function note_edge_change();


create trigger edge_updated
    after update on prospects
    referencing old table as former new table as changed
    for each statement
    execute function note_edge_change();


create trigger edge_version
    before insert or update on prospects
    for each row
    execute function draw_edge_version();
