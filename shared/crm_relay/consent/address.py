"""What makes two addresses the same; says exactly what the SQL function `normalise_address` says."""

import re
import unicodedata

_LONGEST_DOMAIN = 253
_LONGEST_FOLDED = 1000
"""Longer text reaches nobody, and folding it may cost the square of its length."""
_SURROUNDING = " \t\r\n"
_ASCII_LOWER = str.maketrans({chr(code): chr(code).lower() for code in range(ord("A"), ord("Z") + 1)})
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_PHONE_NOISE = re.compile(r"[\s().\-/\u00a0]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def normalise(address: str) -> str | None:
    """Trimmed, lower-case, the domain in ASCII (IDNA); None where it holds no @ or what no database can hold.

    Nothing is validated: a domain that no registry would accept gets a stable form too, so that whatever was written
    once is found again. https://www.unicode.org/reports/tr46/ and https://www.rfc-editor.org/rfc/rfc3492
    """
    if _NOT_STORABLE.search(address):
        return None
    if address.isascii():
        return address.strip(_SURROUNDING).translate(_ASCII_LOWER) if "@" in address else None
    if len(address) > _LONGEST_FOLDED:
        return address.strip(_SURROUNDING) if "@" in address else None
    folded = _fold_letters(unicodedata.normalize("NFKC", address)).strip(_SURROUNDING)
    if "@" not in folded:
        return None
    local, _, domain = folded.rpartition("@")
    domain = domain.replace("。", ".")
    if len(domain) > _LONGEST_DOMAIN:
        return folded
    return f"{local}@{'.'.join(_in_ascii(label) for label in domain.split('.'))}"


def normalise_phone(number: str) -> str | None:
    """E.164 without spaces and brackets; None for anything else: a national number could be anybody's."""
    bare = _PHONE_NOISE.sub("", number)
    return bare if _E164.fullmatch(bare) else None


def _fold_letters(text: str) -> str:
    return "".join(lower if len(lower := letter.lower()) == 1 else "i\u0307" for letter in text)


def _in_ascii(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
