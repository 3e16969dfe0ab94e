"""`/_simulator/`: how a run in another process looks at the simulator and acts in it."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.controls import add_fault, carry_out, clear_faults
from local.simulators.mailchimp.simulated_mailchimp import SimulatedMailchimp
from local.simulators.mailchimp.state import SimulatedAudience, SimulatedMember
from local.simulators.mailchimp.wire import Json, MailchimpRequest, MailchimpResponse


def answer(simulator: SimulatedMailchimp, request: MailchimpRequest) -> MailchimpResponse:
    """
    GET  state                                       audiences, members, requests
    POST audience {name}                             -> {id, fields}
    POST key {}                                      -> {key}
    POST member {list_id, email, merges?}            -> {contact_id}
    POST act {list_id, email, action}                unsubscribe, clean, resubscribe, archive or delete
    POST edit {list_id, email, merges}
    POST faults {kind, match?, times?, …}            DELETE faults
    POST advance {seconds}
    """
    return MailchimpResponse(*carry_out(CONTROLS, simulator, request, request.object))


def state(simulator: SimulatedMailchimp, payload: Json) -> Json:
    del payload
    with simulator.state.lock:
        audiences = [
            {"id": each.id, "name": each.name, "members": [one.shown(each) for one in each.members.values()]}
            for each in simulator.state.audiences.values()
        ]
    return {"audiences": audiences, "requests": dict(simulator.requests), "faults_pending": simulator.faults.pending}


def new_audience(simulator: SimulatedMailchimp, payload: Json) -> Json:
    made = simulator.audience(payload["name"])
    return {"id": made.id, "fields": {each.tag: each.merge_id for each in made.fields}}


def new_key(simulator: SimulatedMailchimp, payload: Json) -> Json:
    del payload
    return {"key": simulator.key()}


def new_member(simulator: SimulatedMailchimp, payload: Json) -> Json:
    audience = simulator.state.audiences[payload["list_id"]]
    return {"contact_id": simulator.add(audience, payload["email"], **payload.get("merges", {})).contact_id}


def act(simulator: SimulatedMailchimp, payload: Json) -> Json:
    audience, member = _found(simulator, payload)
    actions: dict[str, Callable[[SimulatedAudience, SimulatedMember], None]] = {
        "unsubscribe": simulator.unsubscribe,
        "clean": simulator.clean,
        "resubscribe": simulator.resubscribe,
        "archive": simulator.archive,
        "delete": simulator.delete,
    }
    actions[payload["action"]](audience, member)
    return {"success": True}


def edit(simulator: SimulatedMailchimp, payload: Json) -> Json:
    audience, member = _found(simulator, payload)
    simulator.edit(audience, member, **payload["merges"])
    return {"success": True}


def advance(simulator: SimulatedMailchimp, payload: Json) -> Json:
    simulator.advance(float(payload["seconds"]))
    return {"success": True}


def _found(simulator: SimulatedMailchimp, payload: Json) -> tuple[SimulatedAudience, SimulatedMember]:
    audience = simulator.state.audiences[payload["list_id"]]
    member = audience.find(payload["email"])
    if member is None:
        raise ValueError("no such member")
    return audience, member


CONTROLS: dict[tuple[str, str], Callable[[SimulatedMailchimp, Json], Json]] = {
    ("GET", "state"): state,
    ("POST", "audience"): new_audience,
    ("POST", "key"): new_key,
    ("POST", "member"): new_member,
    ("POST", "act"): act,
    ("POST", "edit"): edit,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "advance"): advance,
}
