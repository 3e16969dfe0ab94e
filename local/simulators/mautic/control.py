"""`/_simulator/`: how a run in another process looks at the simulator and acts as a person in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from local.simulators.controls import add_fault, carry_out, clear_faults
from local.simulators.mautic.simulated_mautic import SimulatedMautic
from local.simulators.mautic.wire import Json, MauticApiError, MauticRequest, MauticResponse


def answer(simulator: SimulatedMautic, request: MauticRequest) -> MauticResponse:
    """
    GET  state                          counts of contacts, segments, suppressions, requests
    GET  requests                       the request log
    POST faults {match, kind, …}        adds a fault; DELETE faults clears all
    POST switch {rate_limit: 5, …}      api_enabled, database_down, rate_limit, queue_mode
    POST hook {url, secret, triggers}   a published webhook
    POST process_webhooks               runs the queue of queue mode
    POST send | open | click | unsubscribe | resubscribe | bounce {contact_id, email_id}
    POST delete {contact_id}            POST merge {loser, winner}         POST deduplicate
    """
    try:
        return MauticResponse(*carry_out(ACTIONS, simulator, request, request.payload))
    except MauticApiError as error:
        return error.response()


def state(simulator: SimulatedMautic, payload: Json) -> Json:
    del payload
    mautic = simulator.mautic
    with mautic.lock:
        reasons = Counter(entry.reason for c in mautic.contacts.values() for entry in c.suppressions.values())
        members = {s.name: len(simulator.segment_members(s.name)) for s in mautic.segments.values()}
        return {
            "contacts": len(mautic.contacts),
            "mailable": sum(simulator.mailable(number) for number in mautic.contacts),
            "do_not_contact": {str(reason): count for reason, count in reasons.items()},
            "segments": members,
            "fields": [item.alias for item in mautic.fields.values()],
            "hooks": {str(hook.id): hook.published for hook in mautic.hooks.values()},
            "queued_events": sum(len(hook.queue) for hook in mautic.hooks.values()),
            "requests": len(simulator.gate.requests),
            "faults_pending": simulator.faults.pending,
        }


def requests(simulator: SimulatedMautic, payload: Json) -> Json:
    del payload
    made = simulator.requests
    return {"requests": [{"method": m.method, "path": m.path, "status": m.status, "items": m.items} for m in made]}


def switch(simulator: SimulatedMautic, payload: Json) -> Json:
    simulator.switch(**payload)
    return {"success": True}


def hook(simulator: SimulatedMautic, payload: Json) -> Json:
    return {"id": simulator.hook(payload["url"], payload["secret"], payload["triggers"]).id}


def person(name: str) -> Callable[[SimulatedMautic, Json], Json]:
    def act(simulator: SimulatedMautic, payload: Json) -> Json:
        result = getattr(simulator, name)(int(payload.get("email_id", 1)), int(payload["contact_id"]))
        return {"success": True, "result": result}

    return act


def delete(simulator: SimulatedMautic, payload: Json) -> Json:
    simulator.delete_contact(int(payload["contact_id"]))
    return {"success": True}


def merge(simulator: SimulatedMautic, payload: Json) -> Json:
    simulator.merge_contacts(int(payload["loser"]), int(payload["winner"]))
    return {"success": True}


ACTIONS: dict[tuple[str, str], Callable[[SimulatedMautic, Any], Json]] = {
    ("GET", "state"): state,
    ("GET", "requests"): requests,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "switch"): switch,
    ("POST", "hook"): hook,
    ("POST", "process_webhooks"): lambda simulator, _: {"requests_sent": simulator.process_webhooks()},
    ("POST", "deduplicate"): lambda simulator, _: {"merged": simulator.deduplicate()},
    ("POST", "send"): person("send_email"),
    ("POST", "open"): person("open_email"),
    ("POST", "click"): person("click"),
    ("POST", "unsubscribe"): person("unsubscribe"),
    ("POST", "resubscribe"): person("resubscribe"),
    ("POST", "bounce"): person("bounce"),
    ("POST", "delete"): delete,
    ("POST", "merge"): merge,
}
