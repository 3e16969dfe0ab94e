"""What was sent is listed in pages, and a batch whose answer was lost is found again; client against simulator."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_relay.platform.errors import FatalError, RateLimited
from tests.support.mail.resend_stage import ResendStage, mail, stage

SINCE = datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def made() -> Iterator[ResendStage]:
    with stage() as ready:
        yield ready


def marked(number: int, token: str) -> dict[str, Any]:
    """A mail as campaigns make it: its link to unsubscribe is its own."""
    link = f"https://api.example.com/unsubscribe/{token * 24}"
    return mail(number, html=f"<p>Hello</p><a href='{link}'>no more</a>", headers={"List-Unsubscribe": f"<{link}>"})


def test_the_list_is_in_pages_and_newest_first(made: ResendStage) -> None:
    made.client().send_batch(json.dumps([mail(number) for number in range(5)]).encode(), "batch-1")
    first = made.call("GET", "/emails?limit=2").json()
    second = made.call("GET", f"/emails?limit=2&after={first['data'][-1]['id']}").json()
    third = made.call("GET", f"/emails?limit=2&after={second['data'][-1]['id']}").json()
    pages = [first, second, third]
    assert [each["id"] for page in pages for each in page["data"]] == [each.id for each in reversed(made.sim.mails)]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert made.call("GET", "/emails?limit=101").status_code == 422


def test_a_batch_is_found_by_its_own_links_among_mails_to_the_same_people(made: ResendStage) -> None:
    made.client().send_batch(json.dumps([marked(1, "a"), marked(2, "b")]).encode(), "earlier")
    payload = json.dumps([marked(1, "c"), marked(2, "d"), marked(3, "e")]).encode()
    assert made.client(key=made.sim.api_key).find_sent(payload, SINCE) == [None, None, None]
    made.client().send_batch(payload, "batch")
    assert made.client(key=made.sim.api_key).find_sent(payload, SINCE) == [each.id for each in made.sim.mails[2:]]


def test_a_key_that_may_only_send_cannot_look_and_a_limit_is_for_now(made: ResendStage) -> None:
    payload = json.dumps([marked(1, "a")]).encode()
    with pytest.raises(FatalError):
        made.client().find_sent(payload, SINCE)
    made.sim.fault("429", match="GET /emails")
    with pytest.raises(RateLimited):
        made.client(key=made.sim.api_key).find_sent(payload, SINCE)
