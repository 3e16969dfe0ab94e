"""`/_simulator/`: how a run in another process looks at the simulator and acts in it."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.clock import stamp
from local.simulators.controls import add_fault, carry_out, clear_faults
from local.simulators.resend.actions import ON_A_MAIL
from local.simulators.resend.simulated_resend import SimulatedResend
from local.simulators.resend.state import SimulatedMail
from local.simulators.resend.webhooks.delivery import Attempt
from local.simulators.resend.wire import Json, ResendRequest, ResendResponse

Control = Callable[[SimulatedResend, Json], Json]


def answer(simulator: SimulatedResend, request: ResendRequest) -> ResendResponse:
    """
    GET  state                                   keys, counts, webhooks, requests
    GET  mails                                   the ledger
    GET  messages                                every event, and who still waits for it
    POST hook {url, events?}                     -> {id, signing_secret}
    POST act {action, email_id | to, …}          delivered, delayed, opened, clicked, bounced, complained, …
    POST receive {sender, to, subject?, text?, headers?, cc?}
    POST reply {email_id | to, text?, headers?}  the recipient answers
    POST contact {email, unsubscribed}           POST topics {email, changed: [[id, wanted], …]}
    POST suppress {email, origin?}
    POST flush                                   POST deliver {svix_ids: […]} in this order, replays among them
    POST faults {kind, match?, times?, …}        DELETE faults
    POST advance {seconds}                       POST switch {requests_per_second: null, …}
    """
    return ResendResponse(*carry_out(CONTROLS, simulator, request, request.object))


def state(simulator: SimulatedResend, payload: Json) -> Json:
    del payload
    account = simulator.account
    with account.lock:
        return {
            "api_key": simulator.api_key,
            "sending_key": simulator.sending_key,
            "now": stamp(account.clock.now()),
            "mails": len(account.mails),
            "inbound": len(account.inbound),
            "suppressed": account.suppressed,
            "hooks": [{"id": hook.id, "url": hook.url, "status": hook.status} for hook in account.hooks.values()],
            "requests": dict(simulator.requests),
            "messages": len(simulator.messages),
            "pending": len(simulator.pending),
            "attempts": len(simulator.attempts),
            "faults_pending": simulator.faults.pending,
        }


def mails(simulator: SimulatedResend, payload: Json) -> Json:
    del payload
    shown = [
        {
            "id": mail.id,
            "to": list(mail.to),
            "key": mail.key,
            "at": stamp(mail.at),
            "suppressed": mail.suppressed,
            "last_event": mail.last_event,
            "message_id": mail.message_id,
            "payload": mail.payload,
        }
        for mail in simulator.mails
    ]
    return {"mails": shown}


def messages(simulator: SimulatedResend, payload: Json) -> Json:
    del payload
    return {
        "messages": [
            {
                "svix_id": message.svix_id,
                "type": message.type,
                "waiting": sorted(message.due),
                "content": message.content,
            }
            for message in simulator.messages
        ]
    }


def new_hook(simulator: SimulatedResend, payload: Json) -> Json:
    made = simulator.hook(payload["url"], payload.get("events"))
    return {"id": made.id, "signing_secret": made.secret}


def act(simulator: SimulatedResend, payload: Json) -> Json:
    action = str(payload["action"])
    if action not in ON_A_MAIL:
        raise ValueError(f"no such action: {action}")
    rest = {key: value for key, value in payload.items() if key not in {"action", "email_id", "to"}}
    return {"svix_id": getattr(simulator, action)(_mail(simulator, payload), **rest).svix_id}


def receive(simulator: SimulatedResend, payload: Json) -> Json:
    return {"email_id": simulator.receive(**payload).id}


def reply(simulator: SimulatedResend, payload: Json) -> Json:
    rest = {key: value for key, value in payload.items() if key not in {"email_id", "to"}}
    return {"email_id": simulator.reply(_mail(simulator, payload), **rest).id}


def contact(simulator: SimulatedResend, payload: Json) -> Json:
    return {"svix_id": simulator.contact_updated(payload["email"], unsubscribed=bool(payload["unsubscribed"])).svix_id}


def topics(simulator: SimulatedResend, payload: Json) -> Json:
    changed = [(str(topic), bool(wanted)) for topic, wanted in payload["changed"]]
    return {"svix_id": simulator.topics_updated(payload["email"], changed).svix_id}


def suppress(simulator: SimulatedResend, payload: Json) -> Json:
    return {"svix_id": simulator.suppress(**payload).svix_id}


def flush(simulator: SimulatedResend, payload: Json) -> Json:
    del payload
    return _shown(simulator.flush())


def deliver(simulator: SimulatedResend, payload: Json) -> Json:
    known = {message.svix_id: message for message in simulator.messages}
    return _shown(simulator.deliver([known[each] for each in payload["svix_ids"]]))


def advance(simulator: SimulatedResend, payload: Json) -> Json:
    simulator.advance(float(payload["seconds"]))
    return {"now": stamp(simulator.account.clock.now())}


def switch(simulator: SimulatedResend, payload: Json) -> Json:
    simulator.switch(**payload)
    return {"success": True}


def _mail(simulator: SimulatedResend, payload: Json) -> SimulatedMail:
    known = payload.get("email_id")
    return simulator.mail_to(payload["to"]) if known is None else simulator.account.mails[known]


def _shown(attempts: list[Attempt]) -> Json:
    return {"attempts": [{"svix_id": each.svix_id, "type": each.type, "status": each.status} for each in attempts]}


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "state"): state,
    ("GET", "mails"): mails,
    ("GET", "messages"): messages,
    ("POST", "hook"): new_hook,
    ("POST", "act"): act,
    ("POST", "receive"): receive,
    ("POST", "reply"): reply,
    ("POST", "contact"): contact,
    ("POST", "topics"): topics,
    ("POST", "suppress"): suppress,
    ("POST", "flush"): flush,
    ("POST", "deliver"): deliver,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "advance"): advance,
    ("POST", "switch"): switch,
}
