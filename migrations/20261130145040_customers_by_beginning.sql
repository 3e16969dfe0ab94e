-- Customers are found by how one of their addresses begins.
create index concurrently if not exists idx_customer_emails_address_begins on customer_emails (normalise_address(email) text_pattern_ops);
