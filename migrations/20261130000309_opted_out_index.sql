-- Few customers have opted out: asking whether an address is one of theirs should not read the others.
create index concurrently if not exists idx_customer_profiles_opted_out on customer_profiles (id) where opted_out_at is not null;
