"""`/_simulator/`: how a run in another process looks at the simulator and acts in it."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.clock import stamp
from local.simulators.controls import add_fault, carry_out, clear_faults
from local.simulators.gmail.simulated_gmail import SimulatedGmail
from local.simulators.gmail.wire import GmailRequest, GmailResponse, Json

Control = Callable[[SimulatedGmail, Json], Json]


def answer(simulator: SimulatedGmail, request: GmailRequest) -> GmailResponse:
    """
    GET  state                                   accounts, what they sent, requests
    POST account {address}                       -> {address}
    POST client {redirect_uri}                   -> {client_id, client_secret}
    POST deliver {sender, to?, subject?, text?, answers?}  -> {id}
    POST forget-history {address}                what starts before now is 404
    POST revoke                                  access is taken away
    POST faults {kind, match?, times?, …}        DELETE faults
    POST advance {seconds}                       POST switch {units_per_minute: null, …}
    """
    return GmailResponse(*carry_out(CONTROLS, simulator, request, request.object))


def state(simulator: SimulatedGmail, payload: Json) -> Json:
    del payload
    google = simulator.google
    return {
        "now": stamp(google.clock.now()),
        "accounts": {
            each.address: {"messages": len(each.messages), "drafts": len(each.drafts), "sent": list(each.sent)}
            for each in google.accounts.values()
        },
        "requests": dict(simulator.requests),
        "faults_pending": simulator.faults.pending,
    }


def new_account(simulator: SimulatedGmail, payload: Json) -> Json:
    return {"address": simulator.account(payload["address"]).address}


def new_client(simulator: SimulatedGmail, payload: Json) -> Json:
    made = simulator.client(payload["redirect_uri"])
    return {"client_id": made.client_id, "client_secret": made.secret}


def deliver(simulator: SimulatedGmail, payload: Json) -> Json:
    return {"id": simulator.deliver(payload.pop("sender"), **payload).id}


def forget_history(simulator: SimulatedGmail, payload: Json) -> Json:
    simulator.forget_history(payload["address"])
    return {"success": True}


def revoke(simulator: SimulatedGmail, payload: Json) -> Json:
    del payload
    simulator.revoke_grants()
    return {"success": True}


def advance(simulator: SimulatedGmail, payload: Json) -> Json:
    simulator.advance(float(payload["seconds"]))
    return {"now": stamp(simulator.google.clock.now())}


def switch(simulator: SimulatedGmail, payload: Json) -> Json:
    simulator.switch(**payload)
    return {"success": True}


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "state"): state,
    ("POST", "account"): new_account,
    ("POST", "client"): new_client,
    ("POST", "deliver"): deliver,
    ("POST", "forget-history"): forget_history,
    ("POST", "revoke"): revoke,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "advance"): advance,
    ("POST", "switch"): switch,
}
