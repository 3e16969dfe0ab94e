"""The doctor's look at EmailBison: tokens, workspace numbers and webhooks of every workspace."""

from collections.abc import Iterator

from bison_poll.settings import Settings
from cli.doctor.checks import Check, safely
from crm_relay.installation.installation import Installation, install
from crm_relay.outreach.polling.watch_webhooks import registration
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError


def examine_bison() -> list[Check]:
    """One line for an installation without EmailBison, else one a workspace."""
    installation = install(Settings, database_seconds=10.0, request_seconds=20.0)
    try:
        settings = installation.settings
    except FatalError as error:
        return [Check("emailbison", "wrong", str(error))]
    if not settings.bison_api_tokens and not settings.bison_webhook_tokens:
        return [Check("emailbison", "good", "not configured")]
    return [check for name in sorted(_names(settings)) for check in _about(installation, name)]


def _names(settings: Settings) -> set[str]:
    return {*settings.bison_api_tokens, *settings.bison_webhook_tokens}


def _about(installation: Installation[Settings], name: str) -> list[Check]:
    what = f"emailbison {name}"
    if name not in installation.settings.bison_api_tokens:
        return [Check(what, "worth a look", "no token in BISON_API_TOKENS: its accounts are not read")]
    return safely(what, lambda: _look(installation, name, what))


def _look(installation: Installation[Settings], name: str, what: str) -> Iterator[Check]:
    """FatalError where the token is not accepted, or is another workspace's."""
    bison = installation.bisons(name)[name]
    bison.token_workspace()
    now = utc_now()
    doors = [each.token for each in installation.settings.bison_webhook_tokens.get(name, ()) if each.is_alive(now)]
    trouble = None if doors else "no valid token in BISON_WEBHOOK_TOKENS: every webhook is refused"
    trouble = trouble or registration(bison.webhooks(), doors).trouble
    if trouble is not None:
        yield Check(what, "wrong", trouble)
    elif bison.workspace_id is None:
        yield Check(what, "worth a look", "its number is not known: run crm-relay bison webhooks ensure")
    else:
        yield Check(
            what,
            "good",
            f"workspace {bison.workspace_id}: token accepted, webhook registered, valid for it: {len(doors)}",
        )
