"""Whether a text that Twilio shows is the one that was sent, though it may have rewritten it on the way; pure.

Smart Encoding turns quotes, dashes and blanks into those of GSM-7 (https://www.twilio.com/docs/messaging/services), and
a trial account puts a sentence in front. Letters and digits survive both.
"""

import unicodedata

_TRIAL = "sentfromyourtwiliotrialaccount"


def is_same_text(shown: object, sent: str) -> bool:
    """By letters and digits; a text that has none has to be the very same."""
    if not isinstance(shown, str):
        return False
    marker = _marker(sent)
    return shown == sent or (bool(marker) and _marker(shown).removeprefix(_TRIAL) == marker)


def _marker(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text).casefold() if letter.isalnum())
