-- Triggers of mail. Written by `make schema`: change it by a migration.


create trigger note_mailed_opt_out
    after insert on consent_events
    referencing new table as after_rows
    for each statement
    execute function note_mailed_opt_out();


create trigger note_limit_change
    after insert or delete or update on delivery_limits
    for each row
    execute function note_hold_change('org_id', 'frequency_cap rate_limit');


create trigger note_new_sender
    after insert on email_identities
    for each row
    execute function note_hold_change('org_id', 'no_sender');


create trigger note_sender_resumed
    after update on email_identities
    for each row
    when (old.paused_at is not null and new.paused_at is null)
    execute function note_hold_change('org_id', 'sender_paused');


create trigger refuse_shared_inbound_domain
    before insert or update of inbound_domain, org_id on email_identities
    for each row
    when (new.inbound_domain is not null)
    execute function refuse_shared_inbound_domain();


create trigger note_postal_address
    after update on organizations
    for each row
    when (old.postal_address is distinct from new.postal_address)
    execute function note_hold_change('id', 'no_postal_address');


create trigger note_own_sender_resumed
    after update on own_sender
    for each row
    when (old.paused_at is not null and new.paused_at is null)
    execute function note_hold_change('', 'sender_paused');


create trigger note_mode_changed
    after update on send_modes
    for each row
    when (old.mode is distinct from new.mode or old.allow_list_digest is distinct from new.allow_list_digest)
    execute function note_hold_change('', 'dry_run not_on_allow_list');


create trigger note_sending_resumed
    after update on sending_stops
    for each row
    when (old.resumed_at is null and new.resumed_at is not null)
    execute function note_hold_change('org_id', 'stopped_by_operator');


create trigger note_stop_deleted
    after delete on sending_stops
    for each row
    when (old.resumed_at is null)
    execute function note_hold_change('org_id', 'stopped_by_operator');
