-- People are found by how their last name begins.
create index concurrently if not exists idx_contacts_last_name_begins on contacts (lower(last_name) text_pattern_ops);
