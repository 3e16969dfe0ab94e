"""Whether a number can be dialled at all, by libphonenumber's metadata; pure."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def problem_of_number(number: str) -> str | None:
    """Why no text message can reach a number in E.164; None: it may.

    Only country and length are asked: ranges of numbers come and go sooner than the metadata is renewed.

    >>> problem_of_number("+4917611111111"), problem_of_number("+491761")
    (None, 'has too few digits for its country')
    """
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return "is of no country"
    problems = {
        phonenumbers.ValidationResult.IS_POSSIBLE: None,
        phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "is of no country",
        phonenumbers.ValidationResult.TOO_LONG: "has too many digits for its country",
    }
    found = phonenumbers.is_possible_number_with_reason(parsed)
    return problems.get(found, "has too few digits for its country")


def can_be_dialled(number: str | None) -> bool:
    """Whether a text message to it makes sense; False also for no number."""
    return number is not None and problem_of_number(number) is None
