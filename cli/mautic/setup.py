"""crm-relay mautic setup: says what a Mautic lacks, sets it up, and proves with a test event that deliveries arrive."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer
from pydantic import Field
from rich.markup import escape

from cli.console import FOUND, GOOD, console, ensure_may_act, installation_of, open_database, show
from crm_relay.customers.setup.prove_delivery import Proof, prove_delivery
from crm_relay.customers.setup.setup_mautic import (
    IS_DOWN,
    SetupAction,
    SetupStep,
    Wanted,
    carry_out,
    left_over,
    look,
    plan,
)
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.settings import SettingsModel, SigningSecrets
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.mapping import TEXT_LIMIT

_ROUTE = "/webhooks/mautic"
_TEST_SECONDS = 30.0
_TEST_STEP = SetupStep(
    SetupAction.CREATE, "test event", "a contact that is deleted again shows whether deliveries arrive"
)


class SetupSettings(SettingsModel):
    """What setup is told; the webhook gets the first of `mautic_webhook_secret`."""

    mautic_url: str
    mautic_client_id: str
    mautic_client_secret: str
    mautic_request_timeout_seconds: float = 60.0
    mautic_webhook_secret: SigningSecrets = Field(min_length=1)
    public_url: str | None = None


@dataclass(frozen=True)
class SetupOrder:
    """What the operator asked for; `confirm` asks before anything is written."""

    url: str | None
    dry_run: bool
    confirm: bool
    test: bool
    as_json: bool
    env_file: Path | None


def set_up_mautic(order: SetupOrder) -> int:
    """The command's exit code: 1 where an administrator has something to do or the test event did not arrive."""
    installation = installation_of(order.env_file, SetupSettings)
    settings, mautic = installation.settings, installation.mautic
    wanted = Wanted(_webhook_url(order.url, settings.public_url), settings.mautic_webhook_secret)
    if not order.dry_run:
        ensure_may_act(order.env_file)
    try:
        steps = plan(look(mautic), wanted)
    except FatalError as error:
        return _report(order, wanted, [], [_no_access(str(error))], None)
    except TransientError as error:
        return _report(order, wanted, [], [_no_access(f"{error}; {IS_DOWN}")], None)
    if order.dry_run:
        return _report(order, wanted, steps, steps, None)
    if order.confirm and not _confirmed(steps, test=order.test):
        console.print("Nothing was changed.")
        return FOUND
    left = _left_over(mautic, wanted, steps)
    return _report(order, wanted, steps, left, _prove(order, mautic))


def _no_access(why: str) -> SetupStep:
    return SetupStep(SetupAction.ADMINISTRATOR, "access", why)


def _left_over(mautic: Mautic, wanted: Wanted, steps: Sequence[SetupStep]) -> list[SetupStep]:
    """What is still to be done; a Mautic that fails on the way leaves the rest to a repetition."""
    try:
        return left_over(mautic, wanted, carry_out(mautic, steps))
    except (FatalError, TransientError) as error:
        return [*steps, _no_access(f"{error}; {IS_DOWN}")]


def _webhook_url(given: str | None, public_url: str | None) -> str:
    if given is None and public_url is None:
        raise FatalError("where Mautic sends to is not known: give --url, or set PUBLIC_URL")
    url = given or f"{(public_url or '').rstrip('/')}{_ROUTE}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path in {"", "/"}:
        raise FatalError(f"--url: the whole address of the webhook, such as https://crm.example.com{_ROUTE}")
    return url


def _confirmed(steps: Sequence[SetupStep], *, test: bool) -> bool:
    show(_rows([*steps, _TEST_STEP] if test else steps), as_json=False, title="Mautic setup")
    writes = test or any(step.carry is not None for step in steps)
    return not writes or typer.confirm("Do this?")


def _prove(order: SetupOrder, mautic: Mautic) -> Proof | None:
    if not order.test:
        return None
    with open_database(order.env_file) as database:
        return prove_delivery(mautic, database, utc_now, limit_seconds=_TEST_SECONDS)


def _report(
    order: SetupOrder, wanted: Wanted, steps: Sequence[SetupStep], left: Sequence[SetupStep], proof: Proof | None
) -> int:
    """`left` is what is still to be done, by the command or by a person."""
    todo = [*left, *_todo(proof)]
    good = all(step.action is SetupAction.NOTE for step in todo)
    if order.as_json:
        show(_answer(order, wanted, steps, todo, proof) | {"good": good}, as_json=True, title="")
    else:
        _show(order, steps, todo, proof)
    return GOOD if good else FOUND


def _answer(
    order: SetupOrder, wanted: Wanted, steps: Sequence[SetupStep], todo: Sequence[SetupStep], proof: Proof | None
) -> dict[str, Any]:
    return {
        "webhook": wanted.hook_url,
        "dry_run": order.dry_run,
        "done": _rows(_done(order, steps, todo)),
        "to_do": _rows([step for step in todo if step.action is not SetupAction.NOTE]),
        "notes": _rows([step for step in todo if step.action is SetupAction.NOTE]),
        "test_event": None if proof is None else {"arrived": proof.seconds is not None, **asdict(proof)},
    }


def _show(order: SetupOrder, steps: Sequence[SetupStep], todo: Sequence[SetupStep], proof: Proof | None) -> None:
    for step in _done(order, steps, todo):
        console.print(f"[green]done[/] {step.action.value} {escape(step.what)} (it {escape(step.why)})")
    if proof is not None and proof.seconds is not None:
        console.print(f"[green]done[/] test event: the delivery was in the inbox after {proof.seconds} s")
    show(_rows(todo), as_json=False, title="To do" if todo else "Still to do")


def _done(order: SetupOrder, steps: Sequence[SetupStep], todo: Sequence[SetupStep]) -> list[SetupStep]:
    left = {step.what for step in todo}
    return [] if order.dry_run else [step for step in steps if step.carry is not None and step.what not in left]


def _todo(proof: Proof | None) -> list[SetupStep]:
    """What the test event says an administrator has to do."""
    if proof is None:
        return []
    found = [
        SetupStep(
            SetupAction.ADMINISTRATOR,
            f"field {alias}",
            f"does not take what the sync writes: look at its type, and let it hold {TEXT_LIMIT} characters",
        )
        for alias in proof.refused_fields
    ]
    if proof.problem is not None:
        found.append(SetupStep(SetupAction.ADMINISTRATOR, "test event", f"could not be sent: {proof.problem}"))
    elif proof.seconds is None:
        found.append(
            SetupStep(SetupAction.ADMINISTRATOR, "test event", f"nothing arrived in {_TEST_SECONDS:.0f} s: {_CHECK}")
        )
    if proof.left_behind is not None:
        found.append(SetupStep(SetupAction.ADMINISTRATOR, "test contact", f"delete {proof.left_behind} in Mautic"))
    return found


_CHECK = (
    "look into the webhook's log in Mautic; no entry: it is in queue mode, and cron runs no mautic:webhooks:process, "
    "or its server cannot reach the address; 401: the function has another MAUTIC_WEBHOOK_SECRET; 404: the address is "
    "not the function's; 2xx: the function has another DATABASE_URL, or its database is away"
)


def _rows(steps: Sequence[SetupStep]) -> list[dict[str, str]]:
    return [{"action": step.action.value, "what": step.what, "why": step.why} for step in steps]
