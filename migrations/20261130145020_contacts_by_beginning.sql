-- People are found by how their address begins.
create index concurrently if not exists idx_contacts_address_begins on contacts (normalise_address(email) text_pattern_ops);
