"""crm-relay why: what the rooms know of one person, as JSON or in lines that are read from top to bottom."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.markup import escape

from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.customers.decisions import CLEARED
from crm_relay.customers.explain import DNC_REASONS, Explanation
from crm_relay.engagement.why import LATEST, Engagement
from crm_relay.operations.explain import Erasure, Known, explain_person
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Row
from crm_relay.webhooks.people.why import SearchReach


@reports_errors
def why(who: str, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show what is known about a person, and why they are in Mautic as they are.

    WHO is an address, a customer id or a contact id of Mautic. Exit status 1: nothing is known.
    """
    with open_database(env_file) as database:
        known = explain_person(database, who, utc_now())
    show(asdict(known) if as_json else _plain(in_lines(known)), as_json, escape(who))
    return GOOD if known.is_anything else FOUND


def in_lines(known: Known) -> dict[str, str]:
    """Heading -> lines; where there is nothing it says so."""
    inbox, engagement = known.inbox, known.engagement
    sections = {
        **{f"customer {each.customer_id}": _customer(each) for each in known.customers},
        "more customers": [f"{known.customers_left_out} are not shown"] if known.customers_left_out else None,
        "to be removed in Mautic": [_removal(each) for each in known.removals] or None,
        "addresses": [f"{each.address}: {each.reason}" for each in engagement.addresses] or None,
        "engagement": _counts(engagement),
        f"last {LATEST} events": map(_event, engagement.events),
        f"last {LATEST} that wait for a customer": map(_event, engagement.waiting),
        "cold outreach": [*map(_lead, known.outreach.leads), *map(_reply, known.outreach.replies)],
        "campaigns": map(_enrollment, known.campaigns.enrolled),
        "mail": [*map(_mail, known.delivery.mails), *map(_left, known.delivery.topics_left)],
        "text messages": map(_text, known.delivery.texts),
        "notifications received": map(_notification, known.notifications.received),
        "notifications about them": map(_notification, known.notifications.about),
        "workflows": map(_run, known.workflows.runs),
        "connections": map(_connected, known.connections.records),
        "mailboxes": map(_of_mailbox, known.connections.mail),
        "workflows that did not start": map(_not_started, known.workflows.not_started),
        "deliveries": [*map(_delivery, inbox.deliveries), _reach(inbox.deliveries_searched)],
        "failed tasks": [*map(_task, inbox.failed_tasks), _reach(inbox.failed_tasks_searched)],
        "erasure": _erasure(known.erasure),
        "ledger": [
            f"{_at(each.occurred_at)} {each.channel} {each.kind} from {each.source}, entry {each.id}"
            for each in known.ledger
        ],
        "opt-outs that wait": [_waiting(each) for each in known.opt_outs_waiting],
    }
    return {heading: "\n".join(lines) or "nothing" for heading, lines in sections.items() if lines is not None}


def _run(row: Row) -> str:
    due = f", due {_at(row['next_run_at'])}" if row["next_run_at"] else ""
    reason = f" ({row['reason']})" if row["reason"] else ""
    return (
        f"{_at(row['at'])} {row['name']} for {row['entity_type']}: {row['status']}{reason}{due}, {row['execution_id']}"
    )


def _not_started(row: Row) -> str:
    record = f"{row['entity_type']} {row['entity_id']}"
    return f"{_at(row['at'])} {row['name']} for {record}: {row['reason']}"


def _connected(row: Row) -> str:
    name = f"{row['integration']} {row['label']}" if row["label"] else row["integration"]
    where = f"record {row['their_id']} of {row['stream']}" if row["their_id"] else "not there"
    refused = f", refused: {row['refused_because']}" if row["refused_because"] else ""
    return f"{name}: {where}{refused}, connection {row['connection_id']}"


def _of_mailbox(row: Row) -> str:
    reason = f" ({row['reason']})" if row["reason"] else ""
    answered = f", answered {_at(row['replied_at'])}" if row["replied_at"] else ""
    return f"{_at(row['at'])} {row['kind']} {row['status']}{reason}{answered}, {row['id']}"


def _waiting(row: Row) -> str:
    where = row["address"] or (f"numbers that end in {row['number_end']}" if row["number_end"] else "no address")
    return f"{_at(row['occurred_at'])} {row['channel']} opt_out from {row['source']}: {where}"


def _customer(customer: Explanation) -> list[str]:
    memberships = customer.memberships
    return [
        f"{customer.action}: {customer.reason}",
        f"address: {customer.address or 'none'}",
        f"contact in Mautic: {customer.contact_id or 'none'}",
        *(_former(each) for each in customer.former_contacts),
        f"do-not-contact wanted: {customer.wanted_dnc or 'no'}; confirmed: {_confirmed_dnc(customer.status)}",
        f"memberships wanted: {_value(memberships.wanted)}",
        f"memberships confirmed: {_value(memberships.confirmed)}{'' if memberships.are_settled else ' (not settled)'}",
        f"segments only here: {_value(memberships.only_here)}",
        f"changes that no run has read: {customer.open_notes}",
        *(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in _rest_of_status(customer)),
    ]


def _confirmed_dnc(status: Row) -> str:
    reason = status.get("dnc_reason")
    return "lifted by a consent" if reason == CLEARED else DNC_REASONS.get(reason or CLEARED, "no")


def _rest_of_status(customer: Explanation) -> list[tuple[str, Any]]:
    """What stands in no line of its own, where there is anything to say."""
    shown = {"mautic_contact_id", "segments", "dnc_reason"}
    rest = {"joins": customer.joins, "leaves": customer.leaves, **customer.status}
    return [(name, value) for name, value in rest.items() if value and name not in shown]


def _former(contact: Mapping[str, Any]) -> str:
    now = f", now of customer {contact['now_of']}" if contact["now_of"] else ""
    return f"former contact: {contact['mautic_contact_id']}, until {contact['forgotten_at']}{now}"


def _removal(removal: Row) -> str:
    tries = f"{removal['attempts']} attempts, {removal['error'] or 'none failed'}"
    return f"contact {removal['mautic_contact_id']} of customer {removal['customer_id']}: {tries}"


def _counts(engagement: Engagement) -> list[str]:
    return [
        f"{each['kind']}{' (waiting)' if each['is_waiting'] else ''}: {each['events']}, "
        f"{each['by_machines']} by machines, last {_at(each['last_at'])}"
        for each in engagement.counts
    ]


def _event(event: Row) -> str:
    doer = {True: "a machine", False: "a person"}.get(event["is_machine"])
    verdict = f", {doer}: {event['verdict']}" if doer else ""
    campaign = f", {event['campaign_name']}" if event["campaign_name"] else ""
    return f"{_at(event['occurred_at'])} {event['kind']}{campaign}{verdict}"


def _lead(lead: Row) -> str:
    campaign = f", {lead['campaign_name']}" if lead["campaign_name"] else ""
    times = [f"{word} {_at(lead[f'{word}_at'])}" for word in _TIMES_OF_A_LEAD if lead[f"{word}_at"]]
    return f"lead {lead['lead_id']} in {lead['workspace_name']}: {lead['lead_status']}{campaign}; {', '.join(times)}"


_TIMES_OF_A_LEAD = ("interested", "replied", "bounced", "unsubscribed")


def _reply(reply: Row) -> str:
    kind = "an automatic reply" if reply["is_auto_reply"] else "a reply"
    return f"{_at(reply['received_at'])} {kind} to {reply['workspace_name'] or 'an unknown workspace'}"


def _enrollment(enrollment: Row) -> str:
    why = f" ({enrollment['stopped_reason']})" if enrollment["stopped_reason"] else ""
    held = f", held for {enrollment['held_for']}" if enrollment["held_for"] else ""
    following = f", next step {_at(enrollment['next_step_at'])}" if enrollment["next_step_at"] else ""
    return (
        f"{enrollment['campaign']}: {enrollment['status']}{why}, at step {enrollment['current_step']}{held}{following}"
    )


def _mail(mail: Row) -> str:
    why = f" ({mail['reason']})" if mail["reason"] else ""
    times = [f"{word} {_at(mail[f'{word}_at'])}" for word in _TIMES_OF_A_MAIL if mail[f"{word}_at"]]
    held = f", held for {mail['held_for']} until {_at(mail['not_before'])}" if mail["held_for"] else ""
    return f"{mail['campaign'] or 'no campaign'}: {mail['status']}{why}{held}; {', '.join(times)}"


def _text(text: Row) -> str:
    why = f" ({text['reason']})" if text["reason"] else ""
    times = [f"{word} {_at(text[f'{word}_at'])}" for word in ("queued", "sent") if text[f"{word}_at"]]
    held = f", held for {text['held_for']} until {_at(text['held_until'])}" if text["held_for"] else ""
    return f"{text['campaign'] or 'no campaign'}: {text['status']}{why}{held}; {', '.join(times)}"


def _notification(notification: Row) -> str:
    channels = ", ".join(f"{channel} {state}" for channel, state in sorted(notification["deliveries"].items()))
    about = f" about {notification['entity_type']} {notification['entity_id']}" if notification["entity_id"] else ""
    read = "read" if notification["read_at"] else "not read"
    over = f", {notification['withdrawn_for']}" if notification["withdrawn_for"] else ""
    what = notification["template_slug"] or notification["category"]
    return f"{_at(notification['created_at'])} {what}{about}, {read}{over}: {channels}; {notification['id']}"


_TIMES_OF_A_MAIL = (
    "queued",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
)


def _left(topic: Row) -> str:
    return f"wants no more of {topic['topic']}: {_at(topic['occurred_at'])}, from {topic['source']}"


def _delivery(delivery: Row) -> str:
    applied = f"applied {_at(delivery['applied_at'])}" if delivery["applied_at"] else "not applied"
    return f"{delivery['id']} {delivery['source']} {_at(delivery['received_at'])}, {applied}{_error(delivery)}"


def _task(task: Row) -> str:
    replayed = f"replayed {_at(task['replayed_at'])}" if task["replayed_at"] else "open"
    return f"{task['id']} {task['source']} {_at(task['failed_at'])}, {replayed}{_error(task)}"


def _error(row: Row) -> str:
    return f", {row['error']}" if row["error"] else ""


def _reach(searched: SearchReach) -> str:
    if not searched.has_older:
        return f"all {searched.looked_at} that are kept were looked through" if searched.looked_at else "none are kept"
    return f"only the newest {searched.looked_at} were looked through, back to {_at(searched.since)}"


def _erasure(erasure: Erasure) -> list[str]:
    state = ["erased, and kept away by the hash"] if erasure.is_erased else []
    return [*state, *map(_receipt, erasure.receipts)]


def _receipt(receipt: Mapping[str, Any]) -> str:
    complete = "complete" if receipt["complete"] else "has to be repeated"
    places = [f"{name}: {_value(receipt[name])}" for name in ("reached", "unreached", "left") if receipt[name]]
    return f"{_at(receipt['at'])} receipt {receipt['id']}, {complete}; {'; '.join(places)}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_inner(each)}" for name, each in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return _at(value) if isinstance(value, datetime) else str(value)


def _inner(value: Any) -> str:
    return f"({_value(value)})" if isinstance(value, Mapping) else _value(value)


def _at(moment: datetime | None) -> str:
    return "the beginning" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


def _plain(sections: Mapping[str, str]) -> dict[str, str]:
    """Names of campaigns come from outside: neither markup nor a terminal's control characters get through."""
    return {heading: escape(_printable(text)) for heading, text in sections.items()}


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
