"""What the doctor looks at in Mautic: whether it answers, and whether its webhook brings what people do there."""

from collections.abc import Iterator, Sequence

from cli.doctor.checks import Check
from crm_relay.customers.setup.setup_mautic import IS_DOWN
from crm_relay.customers.setup.watch_hook import leads_here
from crm_relay.platform.errors import TransientError
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.configuration import PresentHook
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS

_MEND = "run crm-relay mautic setup"


def examine_mautic(mautic: Mautic, secrets: Sequence[str]) -> Iterator[Check]:
    """`secrets` are those by which deliveries are verified here."""
    try:
        segments = mautic.segments()
        hooks = mautic.configuration.hooks()
    except TransientError as error:
        yield Check("mautic", "wrong", f"{error}; {IS_DOWN}")
        return
    yield Check("mautic", "good", f"answers, {len(segments)} segments")
    yield from examine_hooks(hooks, secrets)


def examine_hooks(hooks: Sequence[PresentHook], secrets: Sequence[str]) -> Iterator[Check]:
    """Ours among them: those that are signed with a secret of ours, else those that lead to a route like ours."""
    alike = [hook for hook in hooks if leads_here(hook)]
    ours = [hook for hook in alike if hook.secret in secrets] or alike
    if not ours:
        yield Check("mautic webhook", "wrong", f"there is none, and no opt-out arrives: {_MEND}")
    for hook in ours:
        faults = list(_faults(hook, secrets))
        yield Check("mautic webhook", "wrong" if faults else "good", "; ".join(faults) or f"{hook.hook_id} is on")


def _faults(hook: PresentHook, secrets: Sequence[str]) -> Iterator[str]:
    if not hook.published:
        yield (
            f"{hook.hook_id} is off, and no opt-out arrives: Mautic switches it off when a delivery fails; "
            "the next watch publishes it again and reads what was missed"
        )
    if hook.secret is not None and hook.secret not in secrets:
        yield f"{hook.hook_id} has another secret than MAUTIC_WEBHOOK_SECRET: every delivery is refused; {_MEND}"
    if missing := [name for name in HOOK_EVENTS if name not in hook.triggers]:
        yield f"{hook.hook_id} does not send {', '.join(missing)}: {_MEND}"
