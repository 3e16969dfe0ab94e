-- An incident may be put off until a time: until then the page does not count it, and no alert of it is sent.
set local lock_timeout = '5s';

alter table incidents add column if not exists snoozed_until timestamptz;
alter table incidents add column if not exists snoozed_by text;

comment on column incidents.snoozed_until is 'Until then an operator has put it off; null: it is not put off.';
comment on column incidents.snoozed_by is 'The name of the token that put it off.';
