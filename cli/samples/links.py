"""Links that open something, made with what they lead to, for samples in the database of the local stack alone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from cli.samples.prepare import FindLink, LinkKind
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.mail.link_tokens import new_link_token
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import parse_queries
from crm_relay.workflows.approvals.links import link_sha256, new_approval_token

_SQL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
_READER = "sample.reader@example.com"
_WORKSPACE = "Sample of a connection"

_WHERE = {
    "unsubscribe": "the link in a mail; a POST really unsubscribes its reader",
    "approvals": "the link in a notification; a POST really decides",
    "oauth": "`crm-relay connection add`; it is good once",
}


def given_link(token: str | None) -> FindLink:
    """The one that the operator gives. Raises RejectedInput where they give none: what it opens may be somebody's."""

    def find(kind: LinkKind) -> str:
        if token is None:
            raise RejectedInput(
                "this sample needs the token of a link: run it against the stack of `make up`, or give --token",
                details=[f"it is in {_WHERE[kind]}"],
            )
        return token

    return find


def sample_link(database: Database, link_keys: Sequence[str], now: datetime) -> FindLink:
    """A new one for each sample, with a made-up reader, colleague or workspace behind it."""

    def of_mail() -> str:
        token = new_link_token(link_keys)
        database.run(_SQL["add_mail"], token=token, address=_READER, now=now)
        return token

    def of_approval() -> str:
        token = new_approval_token(link_keys)
        database.run(_SQL["add_approval"], sha256=link_sha256(token), now=now)
        return token

    def of_ticket() -> str:
        (row,) = database.run(_SQL["add_workspace"], name=_WORKSPACE)
        return make_ticket(database, provider="airtable", workspace=row["id"], started_by="sample", now=now)

    makers: Mapping[LinkKind, Callable[[], str]] = {
        "unsubscribe": of_mail,
        "approvals": of_approval,
        "oauth": of_ticket,
    }
    return lambda kind: makers[kind]()
