"""States of the United States, Canada and Australia by code or name, in the full names that Mautic takes.

It refuses codes (34_value_state_*), and one that is refused costs its row a second request. Codes are those of the
postal services: https://pe.usps.com/text/pub28/28apb.htm, https://www.canadapost-postescanada.ca, https://auspost.com.au.
"""

_TABLE = {
    "US": """
AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|DC District of Columbia
FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine
MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada
NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon
PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia
WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming|AS American Samoa|GU Guam|PR Puerto Rico|VI Virgin Islands
MP Northern Mariana Islands|AE Armed Forces Europe|AA Armed Forces Americas|AP Armed Forces Pacific
""",
    "CA": """
AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|NT Northwest Territories
NS Nova Scotia|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec|SK Saskatchewan|YT Yukon Territory
""",
    "AU": """
ACT Australian Capital Territory|NT Northern Territory|NSW New South Wales|QLD Queensland|SA South Australia
TAS Tasmania|VIC Victoria|WA Western Australia
""",
}
_OTHER_NAMES = {
    "US": {"washington dc": "DC", "washington d.c.": "DC", "us virgin islands": "VI", "u.s. virgin islands": "VI"},
    "CA": {"québec": "QC", "pq": "QC", "newfoundland": "NL", "labrador": "NL", "yukon": "YT", "pei": "PE"},
    "AU": {"n.s.w.": "NSW", "a.c.t.": "ACT", "qld.": "QLD", "vic.": "VIC", "tas.": "TAS"},
}


def _read(country: str) -> dict[str, str]:
    entries = [each for line in _TABLE[country].strip().splitlines() for each in line.split("|")]
    by_code = dict(each.split(" ", 1) for each in entries)
    known = {code.lower(): name for code, name in by_code.items()} | {name.lower(): name for name in by_code.values()}
    return known | {name: by_code[code] for name, code in _OTHER_NAMES[country].items()}


_STATES = {country: _read(country) for country in _TABLE}


def state_name(text: str, country: str | None) -> str:
    """Mautic's name for a state of that country (alpha-2); the text as it is where nothing better is known.

    Without a country a code may be anybody's (WA, NT), a name is not.
    """
    found = text.strip().lower()
    if country is not None:
        return _STATES.get(country, {}).get(found, text)
    named = {states[found] for states in _STATES.values() if found in states and states[found].lower() == found}
    return named.pop() if len(named) == 1 else text
