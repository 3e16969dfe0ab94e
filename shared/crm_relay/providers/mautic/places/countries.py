"""Countries by code and by their common English names, in the names that Mautic accepts, which are its own.

Mautic answers 400 to a code, another spelling and another case (34_value_country_*). Its names differ by version
(Swaziland before 5, Turkey until 5.1.1, Türkiye from 5.2 on), and from 5.1 on by installation: a countries.json in the
upload folder replaces the list (FormFieldHelper::getCountryChoices). No call of the API shows the list, of the fields
neither (22_fields_list_*: no properties), so only a refusal says what an installation lacks: where names differ, all
are in the table, that of 5.1.1 first, and the one that is refused gives way to the next.

Codes are those of ISO 3166-1 and XK, which means Kosovo in practice; names are ISO's, CLDR's, those of Google's maps
and former ones.
"""

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

_TABLE = Path(__file__).with_name("countries.txt")
"""`AA AAA Mautic's name~the name of another version|other names`, one a line."""

_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "ʻ": "'", "–": "-", "&": " and "})


def _folded(text: str) -> str:
    """Without case, accents and typography: `CÔTE D’IVOIRE` is `cote d'ivoire`."""
    plain = unicodedata.normalize("NFKD", text.translate(_TYPOGRAPHY))
    return re.sub(r"\s+", " ", "".join(each for each in plain if not unicodedata.combining(each))).strip().casefold()


def _read() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    codes: dict[str, str] = {}
    names: dict[str, tuple[str, ...]] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        code, alpha_3, known = line.split(" ", 2)
        spellings = known.replace("~", "|").split("|")
        names[code] = tuple(known.partition("|")[0].split("~"))
        codes |= dict.fromkeys(map(_folded, (code, alpha_3, *spellings)), code)
    return codes, names


_CODES, NAMES = _read()
"""Alpha-2 code -> the names under which Mautic may have it, the likeliest first."""


def country_code(text: str) -> str | None:
    """ISO's alpha-2 code for a code or a common English name; None for what is neither."""
    return _CODES.get(_folded(text))


def country_name(text: str) -> str | None:
    """The likeliest of Mautic's names for it; None where there is no such country."""
    code = country_code(text)
    return None if code is None else NAMES[code][0]


def next_country_name(refused: str) -> str | None:
    """The name to try where an installation does not know `refused`; None where there is no other."""
    names = NAMES.get(country_code(refused) or "", ())
    return dict(pairwise(names)).get(refused)
