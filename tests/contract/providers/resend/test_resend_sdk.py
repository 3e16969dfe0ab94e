"""Resend's own library for Python drives the simulator: what it sends is taken, and what it gets it can read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import resend

from local.simulators.resend import ResendSimulator

MAIL: resend.Emails.SendParams = {
    "from": "Northwind <news@example.com>",
    "to": ["ada@customer.example"],
    "subject": "Hello",
    "html": "<p>Hello</p>",
    "tags": [{"name": "campaign", "value": "spring"}],
}


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[ResendSimulator]:
    with ResendSimulator(requests_per_second=None) as ready:
        monkeypatch.setattr(resend, "api_key", ready.api_key)
        monkeypatch.setattr(resend, "api_url", ready.url)
        yield ready


def test_it_sends_reads_and_lists_mails(sim: ResendSimulator) -> None:
    sent = resend.Emails.send(MAIL, {"idempotency_key": "k1"})
    assert resend.Emails.send(MAIL, {"idempotency_key": "k1"})["id"] == sent["id"]
    batch = resend.Batch.send([MAIL, {**MAIL, "subject": "Second"}])
    assert [mail.id for mail in sim.mails] == [sent["id"], *(each["id"] for each in batch["data"])]

    found = resend.Emails.get(email_id=sent["id"])
    assert (found["subject"], found["to"], found["last_event"]) == ("Hello", ["ada@customer.example"], "sent")
    first = resend.Emails.list({"limit": 2})
    rest = resend.Emails.list({"limit": 2, "after": first["data"][-1]["id"]})
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert [each["id"] for each in (*first["data"], *rest["data"])] == [mail.id for mail in reversed(sim.mails)]


def test_it_reads_mails_that_came_in(sim: ResendSimulator) -> None:
    mails = [sim.receive("una@example.net", "in@example.com", f"Re: {number}") for number in range(3)]
    listed = resend.Emails.Receiving.list({"limit": 2})
    assert [each["id"] for each in listed["data"]] == [mails[2].id, mails[1].id]
    assert listed["has_more"] is True
    one = resend.Emails.Receiving.get(email_id=mails[0].id)
    assert (one["subject"], one["from"], one["text"]) == ("Re: 0", "una@example.net", "Thank you.")


def test_it_manages_webhooks_and_checks_what_they_sign(sim: ResendSimulator) -> None:
    made = resend.Webhooks.create({"endpoint": "https://app.example.com/hook", "events": ["email.sent"]})
    assert resend.Webhooks.get(webhook_id=made["id"])["signing_secret"] == made["signing_secret"]
    resend.Webhooks.update({"webhook_id": made["id"], "status": "disabled", "events": ["email.bounced"]})
    (listed,) = resend.Webhooks.list()["data"]
    assert (listed["status"], listed["events"]) == ("disabled", ["email.bounced"])
    assert resend.Webhooks.remove(webhook_id=made["id"])["deleted"] is True
    assert resend.Webhooks.list()["data"] == []
    assert sim.pending == []


def test_it_lists_domains(sim: ResendSimulator) -> None:
    sim.switch(verified_domains=["a.example.com", "b.example.com"])
    listed = resend.Domains.list()["data"]
    assert [each["name"] for each in listed] == ["a.example.com", "b.example.com"]
    records = resend.Domains.get(domain_id=listed[1]["id"])["records"]
    assert [record["status"] for record in records or []] == ["verified"]


def test_it_raises_its_own_errors(sim: ResendSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(resend.exceptions.ResendError) as refused:
        resend.Emails.send({**MAIL, "to": ["no address"]})
    assert str(refused.value.code) == "422"
    monkeypatch.setattr(resend, "api_key", "re_unknown")
    with pytest.raises(resend.exceptions.ResendError):
        resend.Domains.list()
    assert sim.mails == []
