"""JSON from outside: read so that nothing in it can hurt what stores or reads it later."""

import json
import re
from itertools import chain, compress
from typing import Any

from crm_relay.platform.errors import RejectedInput

_DEEPEST = 40
_NESTING = frozenset((dict, list))
# A pair of surrogates is one character; half a pair and U+0000 are legal in JSON and in no database's text.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(?P<bad>u(?:0000|[dD][89a-fA-F]\w\w))|.)")
_MAY_HAVE_BAD_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read_json_object(body: bytes) -> dict[str, Any]:
    """The object in `body`; characters that no text column holds are replaced by U+FFFD.

    Raises RejectedInput for what is no UTF-8, no JSON (NaN and numbers without end included), no object, or nested
    more than 40 levels deep.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RejectedInput("the body is not UTF-8") from None
    if "\\u" in text and _MAY_HAVE_BAD_ESCAPE.search(text):
        text = _ESCAPE.sub(lambda escape: r"\ufffd" if escape["bad"] else escape[0], text)
    try:
        content = _DECODER.decode(text)
    except RecursionError:
        raise RejectedInput("the body is nested too deeply") from None
    except ValueError:
        raise RejectedInput("the body is not JSON") from None
    if not isinstance(content, dict):
        raise RejectedInput("the body is not a JSON object")
    if text.count("{") + text.count("[") > _DEEPEST:
        _refuse_depth(content)
    return content


def _refuse_depth(content: dict[str, Any]) -> None:
    """Stops what another parser, the database's for one, would follow down until its stack ends."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        # Without a step of Python's for each value: a delivery has thousands.
        children = list(chain.from_iterable([node.values() if type(node) is dict else node for node in level]))
        level = list(compress(children, map(_NESTING.__contains__, map(type, children))))
        if not level:
            return
    raise RejectedInput("the body is nested too deeply")


def _finite(number: str) -> float:
    value = float(number)
    if value - value != 0:
        raise ValueError("a number is out of range")
    return value


_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)
