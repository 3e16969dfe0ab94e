-- Which channels took the opening of an incident that was over before all of them had: the others are sent both, in order.
set local lock_timeout = '5s';

alter table incidents add column if not exists opening_taken_by text[];

comment on column incidents.opening_taken_by is
    'Of one that closed before every channel had its opening: those that had. Null: no channel is owed the opening.';
