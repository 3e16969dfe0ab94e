-- A zone has the name of a place: abbreviations and offsets, which PostgreSQL reads as clocks that never change, are refused, and
-- those that are stored give way to the zone that they mean.
set local lock_timeout = '5s';

-- The rule of is_zone in rules/zones.py. PostgreSQL also reads EST, PST, UTC+5 and Paris3 as fixed offsets; a name with a digit is
-- one of those, but for the few that are spelled out here.
create or replace function is_time_zone(zone text) returns boolean
language plpgsql stable
as $$
begin
    if zone is null or zone ~ '^(posix|right)/' or not (
        zone ~ '^[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+$'
        or zone ~ '^Etc/GMT([+-]?0|[+]([1-9]|1[0-2])|-([1-9]|1[0-4]))$'
        or zone in (
            'UTC', 'GMT', 'UCT', 'Universal', 'Zulu', 'Greenwich', 'GMT0', 'GMT+0', 'GMT-0', 'CET', 'EET', 'MET', 'WET', 'EST5EDT',
            'CST6CDT', 'MST7MDT', 'PST8PDT', 'Cuba', 'Egypt', 'Eire', 'GB', 'GB-Eire', 'Hongkong', 'Iceland', 'Iran', 'Israel',
            'Jamaica', 'Japan', 'Kwajalein', 'Libya', 'NZ', 'NZ-CHAT', 'Navajo', 'PRC', 'Poland', 'Portugal', 'ROC', 'ROK',
            'Singapore', 'Turkey', 'W-SU'
        )
    ) then
        return false;
    end if;
    perform timestamptz '2026-01-01 00:00:00+00' at time zone zone;
    return true;
exception
    when others then return false;
end
$$;

-- The rule of zone_meant in rules/zones.py. Names of Windows are CLDR's (supplemental/windowsZones.xml, territory 001; copyright
-- (c) 1991-2026 Unicode, Inc., https://www.unicode.org/license.txt).
create or replace function zone_meant(written text) returns text
language plpgsql stable
as $$
declare
    name constant text := btrim(regexp_replace(written, '\s+', ' ', 'g'));
    found text;
begin
    if public.is_time_zone(name) then
        return name;
    end if;
    declare
        others constant jsonb := '{
        "est": "America/New_York", "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
        "mst": "America/Denver", "mdt": "America/Denver", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
        "akst": "America/Anchorage", "akdt": "America/Anchorage", "hst": "Pacific/Honolulu",
        "aus central standard time": "Australia/Darwin", "aus eastern standard time": "Australia/Sydney",
        "afghanistan standard time": "Asia/Kabul", "alaskan standard time": "America/Anchorage",
        "alberta standard time": "America/Edmonton", "aleutian standard time": "America/Adak",
        "altai standard time": "Asia/Barnaul", "arab standard time": "Asia/Riyadh", "arabian standard time": "Asia/Dubai",
        "arabic standard time": "Asia/Baghdad", "argentina standard time": "America/Buenos_Aires",
        "astrakhan standard time": "Europe/Astrakhan", "atlantic standard time": "America/Halifax",
        "aus central w. standard time": "Australia/Eucla", "azerbaijan standard time": "Asia/Baku",
        "azores standard time": "Atlantic/Azores", "bahia standard time": "America/Bahia",
        "bangladesh standard time": "Asia/Dhaka", "belarus standard time": "Europe/Minsk",
        "bougainville standard time": "Pacific/Bougainville", "british columbia standard time": "America/Vancouver",
        "canada central standard time": "America/Regina", "cape verde standard time": "Atlantic/Cape_Verde",
        "caucasus standard time": "Asia/Yerevan", "cen. australia standard time": "Australia/Adelaide",
        "central america standard time": "America/Guatemala", "central asia standard time": "Asia/Bishkek",
        "central brazilian standard time": "America/Cuiaba", "central europe standard time": "Europe/Budapest",
        "central european standard time": "Europe/Warsaw", "central pacific standard time": "Pacific/Guadalcanal",
        "central standard time": "America/Chicago", "central standard time (mexico)": "America/Mexico_City",
        "chatham islands standard time": "Pacific/Chatham", "china standard time": "Asia/Shanghai",
        "cuba standard time": "America/Havana", "dateline standard time": "Etc/GMT+12",
        "e. africa standard time": "Africa/Nairobi", "e. australia standard time": "Australia/Brisbane",
        "e. europe standard time": "Europe/Chisinau", "e. south america standard time": "America/Sao_Paulo",
        "easter island standard time": "Pacific/Easter", "eastern standard time": "America/New_York",
        "eastern standard time (mexico)": "America/Cancun", "egypt standard time": "Africa/Cairo",
        "ekaterinburg standard time": "Asia/Yekaterinburg", "fle standard time": "Europe/Kiev",
        "fiji standard time": "Pacific/Fiji", "gmt standard time": "Europe/London", "gtb standard time": "Europe/Bucharest",
        "georgian standard time": "Asia/Tbilisi", "greenland standard time": "America/Godthab",
        "greenwich standard time": "Atlantic/Reykjavik", "haiti standard time": "America/Port-au-Prince",
        "hawaiian standard time": "Pacific/Honolulu", "india standard time": "Asia/Calcutta",
        "iran standard time": "Asia/Tehran", "israel standard time": "Asia/Jerusalem", "jordan standard time": "Asia/Amman",
        "kaliningrad standard time": "Europe/Kaliningrad", "korea standard time": "Asia/Seoul",
        "libya standard time": "Africa/Tripoli", "line islands standard time": "Pacific/Kiritimati",
        "lord howe standard time": "Australia/Lord_Howe", "magadan standard time": "Asia/Magadan",
        "magallanes standard time": "America/Punta_Arenas", "manitoba standard time": "America/Winnipeg",
        "marquesas standard time": "Pacific/Marquesas", "mauritius standard time": "Indian/Mauritius",
        "middle east standard time": "Asia/Beirut", "montevideo standard time": "America/Montevideo",
        "morocco standard time": "Africa/Casablanca", "mountain standard time": "America/Denver",
        "mountain standard time (mexico)": "America/Mazatlan", "myanmar standard time": "Asia/Rangoon",
        "n. central asia standard time": "Asia/Novosibirsk", "namibia standard time": "Africa/Windhoek",
        "nepal standard time": "Asia/Katmandu", "new zealand standard time": "Pacific/Auckland",
        "newfoundland standard time": "America/St_Johns", "norfolk standard time": "Pacific/Norfolk",
        "north asia east standard time": "Asia/Irkutsk", "north asia standard time": "Asia/Krasnoyarsk",
        "north korea standard time": "Asia/Pyongyang", "omsk standard time": "Asia/Omsk",
        "pacific sa standard time": "America/Santiago", "pacific standard time": "America/Los_Angeles",
        "pacific standard time (mexico)": "America/Tijuana", "pakistan standard time": "Asia/Karachi",
        "paraguay standard time": "America/Asuncion", "qyzylorda standard time": "Asia/Qyzylorda",
        "romance standard time": "Europe/Paris", "russia time zone 10": "Asia/Srednekolymsk",
        "russia time zone 11": "Asia/Kamchatka", "russia time zone 3": "Europe/Samara",
        "russian standard time": "Europe/Moscow", "sa eastern standard time": "America/Cayenne",
        "sa pacific standard time": "America/Bogota", "sa western standard time": "America/La_Paz",
        "se asia standard time": "Asia/Bangkok", "saint pierre standard time": "America/Miquelon",
        "sakhalin standard time": "Asia/Sakhalin", "samoa standard time": "Pacific/Apia",
        "sao tome standard time": "Africa/Sao_Tome", "saratov standard time": "Europe/Saratov",
        "singapore standard time": "Asia/Singapore", "south africa standard time": "Africa/Johannesburg",
        "south sudan standard time": "Africa/Juba", "sri lanka standard time": "Asia/Colombo",
        "sudan standard time": "Africa/Khartoum", "syria standard time": "Asia/Damascus",
        "taipei standard time": "Asia/Taipei", "tasmania standard time": "Australia/Hobart",
        "tocantins standard time": "America/Araguaina", "tokyo standard time": "Asia/Tokyo",
        "tomsk standard time": "Asia/Tomsk", "tonga standard time": "Pacific/Tongatapu",
        "transbaikal standard time": "Asia/Chita", "turkey standard time": "Europe/Istanbul",
        "turks and caicos standard time": "America/Grand_Turk", "us eastern standard time": "America/Indianapolis",
        "us mountain standard time": "America/Phoenix", "utc": "Etc/UTC", "utc+12": "Etc/GMT-12", "utc+13": "Etc/GMT-13",
        "utc-02": "Etc/GMT+2", "utc-08": "Etc/GMT+8", "utc-09": "Etc/GMT+9", "utc-11": "Etc/GMT+11",
        "ulaanbaatar standard time": "Asia/Ulaanbaatar", "venezuela standard time": "America/Caracas",
        "vladivostok standard time": "Asia/Vladivostok", "volgograd standard time": "Europe/Volgograd",
        "w. australia standard time": "Australia/Perth", "w. central africa standard time": "Africa/Lagos",
        "w. europe standard time": "Europe/Berlin", "w. mongolia standard time": "Asia/Hovd",
        "west asia standard time": "Asia/Tashkent", "west bank standard time": "Asia/Hebron",
        "west pacific standard time": "Pacific/Port_Moresby", "yakutsk standard time": "Asia/Yakutsk",
        "yukon standard time": "America/Whitehorse"
        }';
    begin
        found := coalesce(
            others ->> lower(name),
            -- Outlook shows the same zone with this word in summer.
            others ->> replace(replace(lower(name), ' daylight time', ' standard time'), ' summer time', ' standard time')
        );
    end;
    return case when public.is_time_zone(found) then found end;
end
$$;
revoke all on function zone_meant(text) from public, anon;
grant execute on function zone_meant(text) to authenticated, service_role, crm_relay;
comment on function zone_meant(text) is 'The IANA zone that a name means, also one of Windows or an abbreviation; null: nobody knows.';

create or replace function usable_zone(zone text) returns text
language sql stable
as $$ select coalesce(public.zone_meant(zone), 'UTC') $$;

create or replace function own_time_zone() returns text
language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(
        (select zone_meant(own.timezone) from user_profiles own where own.id = current_user_id() and length(own.timezone) <= 50),
        'America/New_York'
    )
$$;

-- What is stored. A workspace whose zone nobody knows keeps what is written there, counts in UTC and is reported by an incident.
update workspaces
set timezone = zone_meant(timezone)
where not is_time_zone(timezone) and zone_meant(timezone) is not null;

-- A preference with such a zone could not be saved any more, also not to take an unsubscribe; readers take it for UTC already.
update notification_preferences
set quiet_hours_timezone = coalesce(zone_meant(quiet_hours_timezone), 'UTC')
where not is_time_zone(quiet_hours_timezone);
