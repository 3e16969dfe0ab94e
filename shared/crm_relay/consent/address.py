"""What makes two addresses the same; the SQL functions of the same purpose agree with it."""

import re
import unicodedata
from functools import lru_cache

from crm_relay.rules.addresses.mailbox import bare_address, without_unseen

_LONGEST_ADDRESS = 1000
"""Longer text reaches nobody (RFC 5321, section 4.5.3.1.3: 254), and folding it may cost the square of its length."""
_LONGEST_DOMAIN = 253
_ASCII_LOWER = str.maketrans({chr(code): chr(code).lower() for code in range(ord("A"), ord("Z") + 1)})
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*")
"""Nearly every address, in its one form already."""

_PHONE_NOISE = re.compile(
    r"^\s*tel:|[\s\u00ad\u2000-\u2015\u2028-\u202f\u205f-\u2064\u2066-\u2069\u2212\ufeff().\-/]", re.IGNORECASE
)
"""Between digits: spaces, brackets, dashes, and what a copied number brings along unseen."""

_DIGITS = str.maketrans("０１２３４５６７８９＋٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "0123456789+01234567890123456789")
_SHORTEST_END, _LONGEST_END = 6, 9
"""Of a number without its country: a longer end would hold what some countries dial in front of it."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Countries in which the zero in front of an area code is dialled inside the country only; Italy keeps its zero. A test
# holds them to libphonenumber's metadata. https://www.itu.int/oth/T0202.aspx?parent=T0202
_TRUNK_ZERO = re.compile(
    r"^(\+(20|27|3[1-4]|40|41|43|44|46|49|5[13458]|6[0-46]|81|82|84|86|9[0-58]|21[1238]|23[1-4]|243|249|25[0-24-6]|26[0-5]"
    r"|291|353|355|358|359|370|37[3-57]|38[0-35-79]|421|423|508|59[013-68]|686|850|855|856|880|886|96[1-4]|96[67]|97[0-2]"
    r"|976|977|99[4-6]))0"
)
# Prefixes of other digits, where a number without them would be whole: Russia, North America, Mexico, Lithuania.
_TRUNK_DIGIT = re.compile(r"^(\+(7(?=8[0-9]{10}$)|1(?=1[0-9]{10}$)|52(?=1[0-9]{10}$)|370(?=8[0-9]{8}$)))[18]")
# Hungary and Belarus.
_TRUNK_DIGITS = re.compile(r"^(\+(36(?=06[0-9]{8,9}$)|375(?=80[0-9]{9}$)))(06|80)")


@lru_cache(maxsize=1024)
def normalise(address: str) -> str | None:
    """The one form of an address: lower-case, the domain in ASCII (IDNA) without its final dot.

    Display names, `mailto:`, quotes, commas and invisible characters around it are dropped. None for text that is no
    single address, such as two of them, or that no database can hold. The domain is not looked up or validated: one
    that no registry would accept gets a stable form too, so that it is found again.
    https://www.unicode.org/reports/tr46/ and https://www.rfc-editor.org/rfc/rfc3492

    >>> normalise("Ada Lovelace <mailto:Ada@Example.COM.>")
    'ada@example.com'
    """
    if len(address) > _LONGEST_ADDRESS or _NOT_STORABLE.search(address):
        return None
    folded = address.translate(_ASCII_LOWER) if address.isascii() else _fold(address)
    if _PLAIN.fullmatch(folded):
        return folded
    bare = bare_address(folded)
    if bare is None:
        return None
    local, _, domain = bare.rpartition("@")
    if len(domain) > _LONGEST_DOMAIN:
        return bare
    return f"{local}@{'.'.join(_in_ascii(label) for label in domain.replace('。', '.').split('.'))}"


def normalise_phone(number: str) -> str | None:
    """E.164 without spaces and brackets; None for anything else: a national number could belong to anybody.

    The trunk zero of `+49 (0)176 …` is no part of the number in the countries that drop it abroad. Whether a country
    has numbers like that is not asked: an opt-out has to be found again (`rules/addresses/phones.py` asks).
    """
    bare = _PHONE_NOISE.sub("", number.translate(_DIGITS))
    for prefix in (_TRUNK_ZERO, _TRUNK_DIGIT, _TRUNK_DIGITS):
        bare = prefix.sub(r"\1", bare)
    return bare if _E164.fullmatch(bare) else None


def end_of_number(written: str) -> str | None:
    """What a number without its country and the same number in E.164 have in common: the last digits, at most nine.

    None where there are too few to mean anybody.

    >>> end_of_number("0400 111 222"), "+61400111222".endswith("400111222")
    ('400111222', True)
    """
    digits = "".join(sign for sign in written if sign.isascii() and sign.isdigit()).lstrip("0")
    return digits[-_LONGEST_END:] if len(digits) >= _SHORTEST_END else None


def number_ends(number: str) -> list[str]:
    """Every `end_of_number` that a number in E.164 may have been written with."""
    digits = number.removeprefix("+")
    return [digits[-length:] for length in range(_SHORTEST_END, _LONGEST_END + 1) if length <= len(digits)]


def _fold(address: str) -> str:
    # First what is not seen: a letter and its accent compose only where nothing is between them.
    text = unicodedata.normalize("NFKC", without_unseen(address))
    return "".join(lower if len(lower := letter.lower()) == 1 else "i\u0307" for letter in text)


def _in_ascii(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
