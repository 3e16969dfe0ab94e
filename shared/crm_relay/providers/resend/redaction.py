"""Resend's own words without the addresses that may stand in them."""

import re

_PART = r"[^\s<>()\[\],;:\"'`|@]"
# Possessive and only from a run's beginning, so that long text without a match is read once.
_ADDRESS = re.compile(rf"(?<!{_PART}){_PART}{{1,256}}+@{_PART}{{1,255}}+")
LONGEST = 500


def without_addresses(text: str, longest: int = LONGEST) -> str:
    """On one line, addresses replaced, at most `longest` characters."""
    # Cut roughly first: the text comes from the other side's mail server.
    plain = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * LONGEST]).split())
    return _ADDRESS.sub("[address]", plain)[:longest]
