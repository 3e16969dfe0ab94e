"""The organization that sends: its name, its postal address and its default sender."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import parse_queries
from local.postgres import EmbeddedPostgres
from local.stack_file import STACK_FILE, STACK_FOLDER, running_stack
from local.stack_folder import one_at_a_time

_SQL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
# The name that the first migration gives where there is no organization.
_UNNAMED = "Default organization"


@dataclass(frozen=True)
class OrganizationMade:
    """What the organization is called now, and what it still lacks."""

    organization: str
    sender: str | None
    lacks: tuple[str, ...]


def set_up_organization(db: Database, answers: Mapping[str, str], now: datetime) -> OrganizationMade:
    """In one transaction; safe to repeat. RejectedInput where it is not clear which organization is meant."""
    return db.transact(lambda tx: _set_up(tx, answers, now))


def _set_up(db: Queryable, answers: Mapping[str, str], now: datetime) -> OrganizationMade:
    known = db.run(_SQL["organizations"])
    wanted = answers.get("ORGANIZATION", "")
    found = [each for each in known if each["name"] == wanted] or [each for each in known if len(known) == 1]
    if len(found) != 1:
        raise RejectedInput(
            "the database has several organizations: answer with the name of one of them",
            details=[str(each["name"]) for each in known],
        )
    organization, address = found[0], answers.get("SENDER_ADDRESS")
    name = wanted if organization["name"] == _UNNAMED else ""
    postal = answers.get("POSTAL_ADDRESS", "")
    db.run(_SQL["describe_organization"], id=organization["id"], name=name, postal_address=postal)
    if address:
        db.run(_SQL["replace_default_sender"], org_id=organization["id"], address=address, now=now)
        sender_name = answers.get("SENDER_NAME", "")
        db.run(_SQL["ensure_sender"], org_id=organization["id"], address=address, name=sender_name, now=now)
    sender = address or organization["sender"]
    has = {"a postal address": postal or organization["postal_address"], "a sender": sender}
    return OrganizationMade(
        name or organization["name"], sender, tuple(what for what, answer in has.items() if not answer)
    )


@contextmanager
def database_of(answers: Mapping[str, str]) -> Iterator[Database]:
    """The operator's own database, that of a stack that runs, or that of the next stack."""
    with ExitStack() as opened:
        database = Database(_url(answers, opened), timeout=60.0)
        opened.callback(database.close)
        yield database


def _url(answers: Mapping[str, str], opened: ExitStack) -> str:
    if own := answers.get("DATABASE_URL"):
        return own
    if (stack := running_stack()) is not None:
        return str(stack["database_url"])
    # Imported late: it brings the whole stack, which no other command needs.
    from local.stack import prepare_database

    opened.enter_context(one_at_a_time(STACK_FILE))
    server = opened.enter_context(EmbeddedPostgres.open(STACK_FOLDER.postgres))
    return prepare_database(server)["MIGRATION_DATABASE_URL"]
