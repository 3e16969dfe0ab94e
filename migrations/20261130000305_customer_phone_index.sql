-- Whether a number is of a customer who may not be contacted.
create index concurrently if not exists idx_customer_phones_normalised on customer_phones (normalise_phone(phone_e164));
