"""What a delivery of Resend costs beside the version whose rules stood in SQL, event by event on one database."""

import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.platform.sql import Query
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.upgrades.former_version import VersionWorker, is_in_history, unpack

_KINDS = ("opened", "clicked", "bounced", "complained")
_WARM, _EVENTS, _ROUNDS = 30, 60, 7
_MAILS = 20_000
_TOGETHER = 50
_NOWHERE = "http://127.0.0.1:9"
_BEGIN = datetime(2026, 11, 18, 15, tzinfo=UTC)
_AT = (_BEGIN + timedelta(minutes=5)).isoformat()

_FILL = """
    with owner as (
        insert into campaigns (name, status, source) values ('Spring', 'active', 'native') returning id
    ),
    step as (
        insert into campaign_sequences (campaign_id, step_number, channel)
        select id, number, 'email' from owner, generate_series(1, 2) number
        returning id, campaign_id, step_number
    ),
    person as (
        insert into contacts (email) select 'p' || n || '@example.com' from generate_series(1, :mails) n
        returning id, email
    ),
    place as (
        insert into campaign_enrollments (
            org_id, campaign_id, contact_id, address, current_step, next_step_at, emails_sent
        )
        select default_org_id(), owner.id, person.id, person.email, 1, now(), 1 from owner, person
        returning id, address, campaign_id
    ),
    line as (
        insert into campaign_sequence_logs (
            org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status
        )
        select default_org_id(), place.campaign_id, place.id, step.id, 1, 'email', 'sent'
        from place
        join step on step.step_number = 1
    )
    insert into email_sends (
        org_id, send_key, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, recipient_email, address,
        status, unsubscribe_token, reply_token, queued_at, sent_at, resend_id, links
    )
    select
        default_org_id(), 'k' || place.id, 'campaign_enrollment', place.id, place.id, place.campaign_id, step.id,
        place.address, place.address, 'sent', 'u' || place.id, 'r' || place.id, :begin, :begin, 'em_' || place.id, 1
    from place
    join step on step.step_number = 1
    returning id, resend_id, address"""


@dataclass
class ComparedVersions:
    """Mails that nothing was reported of yet, and a process of each version."""

    former: VersionWorker
    present: VersionWorker
    mails: list[tuple[UUID, str, str]]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def event(self, kind: str) -> dict[str, str]:
        """The key and the body of an event of another mail."""
        mail, email_id, address = self.mails.pop()
        data = {
            "email_id": email_id,
            "created_at": _AT,
            "from": "sender@example.com",
            "to": [address],
            "subject": "Hello",
            "tags": {"send": str(mail)},
            "click": {"link": "https://www.example.com/", "timestamp": _AT, "userAgent": "Mozilla/5.0"},
            "bounce": {"type": "Permanent", "subType": "General", "message": "550 no such user"},
        }
        body = {"type": f"email.{kind}", "created_at": _AT, "data": data}
        return {"key": f"msg_{next(self.numbers)}", "body": json.dumps(body)}

    def both(self, kind: str) -> tuple[float, float]:
        """Seconds of the former version and of this one, for an event each."""
        return self.former.ask(now=_AT, **self.event(kind)), self.present.ask(now=_AT, **self.event(kind))


def _measure(servers: Servers) -> Iterator[Figure]:
    if not is_in_history():
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder))
        for delay, prefix in ((0.0, "side_by_side."), (0.002, "side_by_side.at_2_ms.")):
            with servers.database() as login, CountingProxy(login.url, delay=delay) as proxy:
                url = proxy.url if delay else login.url
                former = VersionWorker.start(Path(folder), url, _NOWHERE, "key")
                with former, VersionWorker.of_this_version(url) as present:
                    stage = ComparedVersions(former, present, _filled(login))
                    yield from (_ratio(f"{prefix}resend_{kind}", stage, kind) for kind in _KINDS)
                    if not delay:
                        yield _catch_up(stage)


def _filled(login: Login) -> list[tuple[UUID, str, str]]:
    with login.as_owner() as owner:
        rows = owner.run(Query.parse("fill", "makes mails", _FILL), mails=_MAILS, begin=_BEGIN)
        owner.run_script("vacuum analyze")
    return [(row["id"], row["resend_id"], row["address"]) for row in rows]


def _ratio(name: str, stage: ComparedVersions, kind: str) -> Figure:
    """The median of several rounds, each the ratio of its medians: a busy machine is busy for both."""
    for _ in range(_WARM):
        stage.both(kind)
    rounds = [_ratio_of_medians([stage.both(kind) for _ in range(_EVENTS)]) for _ in range(_ROUNDS)]
    return Figure(name, statistics.median(rounds), "p50 to the former version's", _EVENTS * _ROUNDS)


def _ratio_of_medians(pairs: Sequence[tuple[float, float]]) -> float:
    former, present = zip(*pairs, strict=True)
    return float(statistics.median(present) / statistics.median(former))


def _catch_up(stage: ComparedVersions) -> Figure:
    """How much quicker 50 deliveries in one transaction are than the same number one by one."""
    ratios = []
    for _ in range(_ROUNDS):
        events = [[stage.event(_KINDS[number % 2]) for number in range(_TOGETHER)] for _ in range(2)]
        one_by_one = sum(stage.present.ask(now=_AT, **each) for each in events[0])
        ratios.append(one_by_one / stage.present.ask(now=_AT, together=events[1]))
    name = "side_by_side.resend_catch_up"
    return Figure(name, statistics.median(ratios), "times as quick as one by one", _ROUNDS)


SUBJECT = Subject(
    (
        *(f"side_by_side.resend_{kind}" for kind in _KINDS),
        "side_by_side.resend_catch_up",
        *(f"side_by_side.at_2_ms.resend_{kind}" for kind in _KINDS),
    ),
    _measure,
)
