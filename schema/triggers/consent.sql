-- Triggers of consent. Written by `make schema`: change it by a migration.


create trigger check_consent_event
    before insert on consent_events
    for each row
    execute function check_consent_event();


create trigger consent_events_append_only
    before delete or update on consent_events
    for each row
    execute function refuse_ledger_change();


create trigger hide_erased_address
    before insert on consent_events
    for each row
    when (new.kind not in ('consent', 'erased'))
    execute function hide_erased_address();


create trigger note_contact_opt_out
    after insert on consent_events
    referencing new table as after_rows
    for each statement
    execute function note_contact_opt_out();


create trigger keep_contact_opt_out
    after update on contacts
    for each row
    when (old.email is distinct from new.email or old.phone is distinct from new.phone)
    execute function keep_contact_opt_out();


create trigger note_address_opt_out_insert
    after insert on customer_emails
    referencing new table as after_rows
    for each statement
    execute function note_address_opt_out();


create trigger note_address_opt_out_update
    after update on customer_emails
    for each row
    when (old.email is distinct from new.email or old.customer_id is distinct from new.customer_id)
    execute function note_address_opt_out();


create trigger refuse_erased_address_insert
    after insert on customer_emails
    referencing new table as after_rows
    for each statement
    execute function refuse_erased_address();


create trigger refuse_erased_address_update
    after update on customer_emails
    referencing old table as before_rows new table as after_rows
    for each statement
    execute function refuse_erased_address();


create trigger note_profile_opt_out
    before update on customer_profiles
    for each row
    when (old.marketing_opt_in is true and new.marketing_opt_in is false or old.do_not_contact is not true
        and new.do_not_contact is true)
    execute function note_profile_opt_out();


create trigger note_profile_opt_out_insert
    before insert on customer_profiles
    for each row
    when (new.do_not_contact is true)
    execute function note_profile_opt_out();
