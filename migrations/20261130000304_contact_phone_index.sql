-- Whose number it is that opted out of text messages.
create index concurrently if not exists idx_contacts_phone on contacts (normalise_phone(phone));
