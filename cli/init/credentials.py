"""Each credential is tried by a request that changes nothing, as the doctor does."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from cli.doctor.checks import Check, safely
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.resend import API_URL
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.twilio.client import open_twilio

_TIMEOUT = (5.0, 20.0)
_NOBODY = "+15005550006"
"""A number of Twilio's for tests. https://www.twilio.com/docs/iam/test-credentials"""

Answers = Mapping[str, str]


def check_credentials(answers: Answers) -> list[Check]:
    """A line a service that was named; what cannot be reached stops only its own."""
    looks: tuple[tuple[str, str, Callable[[Answers], Iterator[Check]]], ...] = (
        ("RESEND_API_KEY", "Resend", _resend),
        ("MAUTIC_URL", "Mautic", _mautic),
        ("BISON_INSTANCE_URL", "EmailBison", _bison),
        ("TWILIO_ACCOUNT_SID", "Twilio", _twilio),
    )
    named = [(what, look) for name, what, look in looks if answers.get(name)]
    return [check for what, look in named for check in safely(what, partial(look, answers))]


def _resend(answers: Answers) -> Iterator[Check]:
    http = HttpClient(answers.get("RESEND_API_URL", API_URL), timeout=_TIMEOUT)
    count = len(Resend(http, answers["RESEND_API_KEY"]).webhook_addresses())
    yield Check("Resend", "good", f"the key is accepted; {count} webhooks")


def _mautic(answers: Answers) -> Iterator[Check]:
    http = HttpClient(answers["MAUTIC_URL"], timeout=_TIMEOUT)
    mautic = Mautic(http, answers.get("MAUTIC_CLIENT_ID", ""), answers.get("MAUTIC_CLIENT_SECRET", ""))
    yield Check("Mautic", "good", f"the credential is accepted; {len(mautic.segments())} segments")


def _bison(answers: Answers) -> Iterator[Check]:
    tokens = _tokens(answers.get("BISON_API_TOKENS", ""))
    if not tokens:
        yield Check("EmailBison", "wrong", 'BISON_API_TOKENS has to be JSON such as {"Workspace": "12|…"}')
    http = HttpClient(answers["BISON_INSTANCE_URL"], timeout=_TIMEOUT)
    for workspace, token in tokens.items():
        yield from safely(f"EmailBison {workspace}", partial(_token, http, workspace, token))


def _token(http: HttpClient, workspace: str, token: str) -> Iterator[Check]:
    number = Bison(http, token).token_workspace()
    yield Check(f"EmailBison {workspace}", "good", f"the token is accepted; workspace {number or 'unknown'}")


def _tokens(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    good = isinstance(found, dict) and all(isinstance(each, str) for each in found.values())
    return found if good else {}


def _twilio(answers: Answers) -> Iterator[Check]:
    parts = (answers.get(name) for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"))
    twilio = open_twilio(*parts)
    if twilio is not None:
        twilio.find(_NOBODY, "nothing", utc_now())
        yield Check("Twilio", "good", "the token is accepted")
