"""`/_simulator/`: how a run in another process looks at the simulator and acts in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.simulators.bison.simulated_bison import SimulatedBison
from local.simulators.bison.state import SimulatedAccount, SimulatedWorkspace
from local.simulators.bison.webhooks.events import EventOptions
from local.simulators.bison.wire import BisonRequest, BisonResponse, Json
from local.simulators.controls import add_fault, carry_out, clear_faults

Control = Callable[[SimulatedBison, Json], Json]

# What can be done with one account by name; `interested`, `reply` and so on act on its last e-mail.
ON_AN_ACCOUNT = (
    "send_email",
    "manual_email",
    "open",
    "reply",
    "interested",
    "bounce",
    "unsubscribe",
    "untracked_reply",
    "disconnect",
    "reconnect",
    "disable_warmup",
    "delete_account",
    "attach_tag",
    "remove_tag",
)


def answer(simulator: SimulatedBison, request: BisonRequest) -> BisonResponse:
    """
    GET  state                           workspaces with their tokens and sums, hooks, requests by route
    GET  deliveries                      every webhook attempt
    POST workspace {name}                POST accounts {workspace_id, count, provider_tag, reseller_tag}
    POST hook {workspace_id, url, events}
    POST act {account_id, action, options: {envelope, …}, …}     actions: ON_AN_ACCOUNT
    POST move {account_id, workspace_id}
    POST faults {match, kind, …}         adds a fault; DELETE faults clears all, the limit too
    POST limit {every | calls, seconds}  POST switch {delivery_log: true, …}
    """
    return BisonResponse(*carry_out(CONTROLS, simulator, request, request.payload))


def state(simulator: SimulatedBison, payload: Json) -> Json:
    del payload
    bison = simulator.bison
    with bison.lock:
        return {
            "super_admin_token": simulator.super_admin_token,
            "workspaces": [_workspace(simulator, item) for item in bison.workspaces.values()],
            "hooks": [{"id": h.id, "workspace_id": h.workspace_id, "events": h.events} for h in bison.hooks.values()],
            "requests": dict(simulator.requests),
            "deliveries": len(simulator.webhooks.deliveries),
            "faults_pending": simulator.faults.pending,
        }


def _workspace(simulator: SimulatedBison, item: SimulatedWorkspace) -> Json:
    accounts = simulator.accounts_of(item)
    return {
        "id": item.id,
        "name": item.name,
        "token": item.token,
        "accounts": len(accounts),
        "connected": sum(account.connected for account in accounts),
        "emails_sent": sum(account.counters.emails_sent for account in accounts),
        "replied": sum(account.counters.replied for account in accounts),
        "bounced": sum(account.counters.bounced for account in accounts),
    }


def deliveries(simulator: SimulatedBison, payload: Json) -> Json:
    del payload
    made = simulator.deliveries
    return {"deliveries": [{"id": m.id, "event": m.event, "status": m.status, "attempt": m.attempt} for m in made]}


def new_workspace(simulator: SimulatedBison, payload: Json) -> Json:
    made = simulator.workspace(payload["name"])
    return {"id": made.id, "token": made.token}


def new_accounts(simulator: SimulatedBison, payload: Json) -> Json:
    rest = {name: value for name, value in payload.items() if name not in {"workspace_id", "count"}}
    made = simulator.add_accounts(_its_workspace(simulator, payload), int(payload["count"]), **rest)
    return {"ids": [account.id for account in made]}


def new_hook(simulator: SimulatedBison, payload: Json) -> Json:
    made = simulator.hook(_its_workspace(simulator, payload), payload["url"], payload.get("events"))
    return {"id": made.id}


def act(simulator: SimulatedBison, payload: Json) -> Json:
    account, action = _its_account(simulator, payload), str(payload["action"])
    if action not in ON_AN_ACCOUNT:
        raise ValueError(f"no such action: {action}")
    options = EventOptions(**payload.get("options", {}))
    rest = {key: value for key, value in payload.items() if key not in {"account_id", "action", "options"}}
    made: Any = getattr(simulator, action)(account, options=options, **rest)
    return {"success": True, "id": getattr(made, "id", None)}


def move(simulator: SimulatedBison, payload: Json) -> Json:
    simulator.move_account(_its_account(simulator, payload), _its_workspace(simulator, payload))
    return {"success": True}


def limit(simulator: SimulatedBison, payload: Json) -> Json:
    simulator.too_many(**payload)
    return {"success": True}


def switch(simulator: SimulatedBison, payload: Json) -> Json:
    simulator.switch(**payload)
    return {"success": True}


def _its_workspace(simulator: SimulatedBison, payload: Json) -> SimulatedWorkspace:
    return simulator.bison.workspaces[int(payload["workspace_id"])]


def _its_account(simulator: SimulatedBison, payload: Json) -> SimulatedAccount:
    return simulator.bison.accounts[int(payload["account_id"])]


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "state"): state,
    ("GET", "deliveries"): deliveries,
    ("POST", "workspace"): new_workspace,
    ("POST", "accounts"): new_accounts,
    ("POST", "hook"): new_hook,
    ("POST", "act"): act,
    ("POST", "move"): move,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "limit"): limit,
    ("POST", "switch"): switch,
}
