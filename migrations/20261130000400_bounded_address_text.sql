-- Bounds what one address costs. Encoding a label is quadratic in its length, and so is normalising marks that stand in the
-- wrong order; both take text that a webhook or a client brings.
set local lock_timeout = '5s';

-- A domain has at most 253 characters (RFC 1035, section 2.3.4). A longer label is returned as it is.
create or replace function punycode(label text) returns text
language plpgsql immutable strict parallel safe
as $$
declare
    digits constant text := 'abcdefghijklmnopqrstuvwxyz0123456789';
    points integer[];
    encoded text;
    basic integer;
    handled integer;
    reached bigint := 128;
    next_point bigint;
    delta bigint := 0;
    bias integer := 72;
    rest bigint;
    weight integer;
    threshold integer;
    point integer;
begin
    if length(label) > 253 then
        return label;
    end if;
    points := array(
        select ascii(letter) from unnest(string_to_array(label, null)) with ordinality as letters (letter, place) order by place
    );
    encoded := regexp_replace(label, '[^\u0001-\u007f]', '', 'g');
    basic := length(encoded);
    handled := basic;
    if basic > 0 then
        encoded := encoded || '-';
    end if;
    while handled < cardinality(points) loop
        select min(each) into next_point from unnest(points) as each where each >= reached;
        delta := delta + (next_point - reached) * (handled + 1);
        reached := next_point;
        foreach point in array points loop
            if point < reached then
                delta := delta + 1;
            elsif point = reached then
                rest := delta;
                weight := 36;
                loop
                    threshold := least(greatest(weight - bias, 1), 26);
                    exit when rest < threshold;
                    encoded := encoded || substr(digits, (threshold + (rest - threshold) % (36 - threshold))::integer + 1, 1);
                    rest := (rest - threshold) / (36 - threshold);
                    weight := weight + 36;
                end loop;
                encoded := encoded || substr(digits, rest::integer + 1, 1);
                delta := case when handled = basic then delta / 700 else delta / 2 end;
                handled := handled + 1;
                delta := delta + delta / handled;
                bias := 0;
                while delta > 455 loop
                    delta := delta / 35;
                    bias := bias + 36;
                end loop;
                bias := bias + (36 * delta / (delta + 38))::integer;
                delta := 0;
            end if;
        end loop;
        delta := delta + 1;
        reached := reached + 1;
    end loop;
    return encoded;
end
$$;

-- With its owner's rights, so that a client role needs EXECUTE on this function and the next one only.
create or replace function normalise_unicode_address(address text) returns text
language plpgsql immutable strict parallel safe security definer set search_path = public, pg_temp
as $$
declare
    folded text;
    domain text;
begin
    if length(address) > 1000 then
        return address;
    end if;
    folded := btrim(public.fold_letters(address), E' \t\r\n');
    domain := translate(substring(folded from '@([^@]*)$'), '。', '.');
    if coalesce(length(domain), 0) not between 1 and 253 then
        return folded;
    end if;
    return left(folded, length(folded) - length(domain)) || (
        select string_agg(
            case when octet_length(label) = length(label) then label else 'xn--' || public.punycode(label) end, '.' order by place
        )
        from unnest(string_to_array(domain, '.')) with ordinality as labels (label, place)
    );
end
$$;

-- An address has at most 254 characters (RFC 5321, section 4.5.3.1.3). One of more than 1,000 that is not ASCII reaches nobody
-- and is only trimmed. Python's crm_relay.consent.address does the same.
create or replace function normalise_address(address text) returns text
language sql immutable parallel safe
as $$
    select case
        when octet_length(address) = length(address) then
            case when position('@' in address) > 0 then lower(btrim(address, E' \t\r\n') collate "C") end
        when length(address) > 1000 then
            case when position('@' in address) > 0 then btrim(address, E' \t\r\n') end
        when position('@' in normalize(address, NFKC)) > 0 then public.normalise_unicode_address(address)
    end
$$;
