"""`crm-relay why` as an operator uses it."""

from typing import Any

import pytest
import requests

from tests.end_to_end.cli.test_command_line import as_json, crm_relay, stack
from tests.support.customers.mautic_hooks import delivery, opened, sign

__all__ = ["stack"]

WHO = "customer30@example.com"
HOSTILE = "[/red]sale \x1b[2J"


def open_mail(stack: dict[str, Any], email: str) -> None:
    """A webhook over HTTP, whose campaign has a name that no terminal should obey."""
    event = opened(contact_id=990_000, email=email)
    event["stat"]["email"]["name"] = HOSTILE
    body = delivery(email_on_open=[event])
    signed = sign(body, stack["environment"]["MAUTIC_WEBHOOK_SECRET"].partition(",")[0])
    headers = {"content-type": "application/json", **signed}
    answer = requests.post(f"{stack['base_url']}/webhooks/mautic", data=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def words_of(table: str) -> str:
    """What stands in a table, wherever its lines were broken."""
    return " ".join(table.replace("│", " ").split())


def test_every_room_answers_in_json_and_in_lines(stack: dict[str, Any]) -> None:
    assert crm_relay(stack, "mautic", "sync", "--json").returncode in {0, 1}
    assert crm_relay(stack, "consent", "grant", WHO, "--evidence", "form 30").returncode == 0
    open_mail(stack, WHO)

    by_address = crm_relay(stack, "why", WHO, "--json")
    known = as_json(by_address)
    (customer,) = known["customers"]
    by_id = crm_relay(stack, "why", customer["customer_id"], "--json")
    by_contact = crm_relay(stack, "why", str(customer["contact_id"]), "--json")

    assert [by_address.returncode, by_id.returncode, by_contact.returncode] == [0, 0, 0]
    assert as_json(by_id) == as_json(by_contact) == known
    assert [event["campaign_name"] for event in known["engagement"]["events"]] == [HOSTILE]
    assert len(known["inbox"]["deliveries"]) == 1
    assert not known["inbox"]["deliveries_searched"]["has_older"]
    assert [entry["kind"] for entry in known["ledger"]] == ["consent"]
    assert known["erasure"] == {"is_erased": False, "receipts": []}

    lines = crm_relay(stack, "why", WHO)
    assert lines.returncode == 0, lines.stderr
    for expected in ("[/red]sale", "a person: nothing speaks against a person", "were looked through", "email consent"):
        assert expected in words_of(lines.stdout)
    assert "\x1b" not in lines.stdout


def test_of_an_erased_person_the_receipt_is_shown(stack: dict[str, Any]) -> None:
    assert crm_relay(stack, "erase", "customer31@example.com", "--yes", "--json").returncode == 0

    lines = crm_relay(stack, "why", "customer31@example.com")

    assert lines.returncode == 0
    assert "erased, and kept away by the hash" in words_of(lines.stdout)
    assert "receipt 1, complete; reached: activities 0" in words_of(lines.stdout)


@pytest.mark.parametrize("who", ["nobody@example.com", "990001", "[/red]", "6a0f6f3e-0000-4000-8000-000000000000"])
def test_of_nobody_nothing_is_known_and_that_is_exit_1(stack: dict[str, Any], who: str) -> None:
    by_address = crm_relay(stack, "why", who)

    assert (by_address.returncode, by_address.stderr) == (1, "")
    assert as_json(crm_relay(stack, "why", who, "--json"))["customers"] == []
