"""Sets a Mautic up for the sync and the webhook: what is missing is made, what nobody may change safely is named."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from crm_relay.customers.field_map import CUSTOM_FIELDS, FIELDS, SEGMENT_NAMES
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.configuration import (
    HOOK_NAME,
    PresentField,
    PresentHook,
    PresentSegment,
    WantedField,
    WantedHook,
)
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS

IS_DOWN = (
    "see whether its address opens in a browser, look at its own log (var/logs) and database, and at MAUTIC_URL; then "
    "repeat the command"
)
"""What to do where Mautic does not answer, or answers with errors of its own."""


class SetupAction(StrEnum):
    """What is to be done, and who does it."""

    CREATE = "create"
    EDIT = "edit"
    ADMINISTRATOR = "administrator"
    NOTE = "note"


@dataclass(frozen=True)
class SetupStep:
    """One thing to do and why; `carry` does it where setup may, and is None for an administrator's things."""

    action: SetupAction
    what: str
    why: str
    carry: Callable[[Mautic], object] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Present:
    """What a Mautic has; segments and hooks the oldest first."""

    fields: Mapping[str, PresentField]
    segments: Sequence[PresentSegment]
    hooks: Sequence[PresentHook]
    hook_events: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """Where deliveries go. The first of `secrets` signs; the others are valid until everybody uses the first."""

    hook_url: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def hook(self) -> WantedHook:
        """The webhook as it should be."""
        return WantedHook(self.hook_url, self.secrets[0])


def look(mautic: Mautic) -> Present:
    """Reads only. Raises FatalError with what an administrator has to do where the API is off or refuses us."""
    configuration = mautic.configuration
    return Present(configuration.fields(), configuration.segments(), configuration.hooks(), configuration.hook_events())


def plan(present: Present, wanted: Wanted) -> list[SetupStep]:
    """What lies between the two; nothing but notes where all is as it should be."""
    return [*_fields(present.fields), *_segments(present.segments), *_hooks(present, wanted)]


def carry_out(mautic: Mautic, steps: Sequence[SetupStep]) -> list[SetupStep]:
    """Do what setup may do; returns what Mautic refused, as an administrator's things. Raises TransientError."""
    refused = []
    for step in steps:
        try:
            if step.carry is not None:
                step.carry(mautic)
        except (RejectedInput, FatalError) as error:
            refused.append(
                SetupStep(SetupAction.ADMINISTRATOR, step.what, f"{step.why}, and Mautic refused the change: {error}")
            )
    return refused


def left_over(mautic: Mautic, wanted: Wanted, refused: Sequence[SetupStep]) -> list[SetupStep]:
    """What still is not as it should be after the steps were carried out: looked at, not believed."""
    named = {step.what for step in refused}
    still = [step for step in plan(look(mautic), wanted) if step.what not in named or step.action is SetupAction.NOTE]
    return [*refused, *(_not_held(step) for step in still)]


def _not_held(step: SetupStep) -> SetupStep:
    if step.carry is None:
        return step
    why = f"{step.why}, after Mautic had accepted the change; it may make fields in the background: run setup again"
    return replace(step, action=SetupAction.ADMINISTRATOR, why=why, carry=None)


def _fields(present: Mapping[str, PresentField]) -> Iterator[SetupStep]:
    for wanted in CUSTOM_FIELDS:
        found = present.get(wanted.alias)
        yield from [_missing_field(wanted)] if found is None else _field(found, wanted)
    for alias in sorted(FIELDS.keys() - {each.alias for each in CUSTOM_FIELDS}):
        if alias not in present:
            yield SetupStep(
                SetupAction.ADMINISTRATOR, f"field {alias}", "is missing, although every Mautic begins with it"
            )
        elif not present[alias].published:
            yield SetupStep(SetupAction.ADMINISTRATOR, f"field {alias}", "is not published: the sync writes to it")


def _missing_field(wanted: WantedField) -> SetupStep:
    why = f"is missing; {wanted.kind}{', unique identifier' if wanted.unique else ''}"
    return SetupStep(
        SetupAction.CREATE, f"field {wanted.alias}", why, lambda mautic: mautic.configuration.create_field(wanted)
    )


def _field(present: PresentField, wanted: WantedField) -> Iterator[SetupStep]:
    what = f"field {wanted.alias}"
    if present.kind != wanted.kind:
        # No way leads from one type to another but to delete the field, and every value with it.
        why = (
            f"is of the type {present.kind}; save its values, delete it, and setup makes one of the type {wanted.kind}"
        )
        yield SetupStep(SetupAction.ADMINISTRATOR, what, why)
    elif shortcomings := list(_shortcomings(present, wanted)):
        yield SetupStep(
            SetupAction.EDIT,
            what,
            "; ".join(shortcomings),
            lambda mautic: mautic.configuration.complete_field(present, wanted),
        )


def _shortcomings(present: PresentField, wanted: WantedField) -> Iterator[str]:
    missing = [value for value in wanted.choices if value not in {each["value"] for each in present.choices}]
    if not present.published:
        yield "is not published"
    if wanted.unique and not present.unique:
        yield "is not a unique identifier"
    if missing:
        yield f"lacks the choices {', '.join(missing)}"
    if present.scale < wanted.scale:
        yield f"has {present.scale} digits behind the point instead of {wanted.scale}"


def _segments(present: Sequence[PresentSegment]) -> Iterator[SetupStep]:
    for slug, name in SEGMENT_NAMES.items():
        found = [each for each in present if each.name == name]
        yield from _segment(found, name) if found else [_missing_segment(slug, name)]


def _missing_segment(slug: str, name: str) -> SetupStep:
    return SetupStep(
        SetupAction.CREATE, f"segment {name}", "is missing", lambda mautic: mautic.create_segment(name, slug)
    )


def _segment(found: Sequence[PresentSegment], name: str) -> Iterator[SetupStep]:
    oldest, others, what = found[0], found[1:], f"segment {name}"
    if not oldest.published:
        yield SetupStep(
            SetupAction.EDIT,
            what,
            "is not published and takes no members",
            lambda mautic: mautic.configuration.publish_segment(oldest.segment_id),
        )
    if others:
        ids = ", ".join(str(each.segment_id) for each in others)
        why = f"several have this name; {oldest.segment_id} is used: rename or delete {ids}"
        yield SetupStep(SetupAction.ADMINISTRATOR, f"{what}, used twice", why)
    if oldest.filtered:
        yield SetupStep(
            SetupAction.NOTE, f"{what}, filters", "has filters, which add contacts that are no members here"
        )


def _hooks(present: Present, wanted: Wanted) -> Iterator[SetupStep]:
    ours = sorted(
        (each for each in present.hooks if _is_ours(each, wanted)),
        key=lambda each: (each.url != wanted.hook_url, not each.published, each.hook_id),
    )
    if unknown := [name for name in HOOK_EVENTS if name not in present.hook_events]:
        yield SetupStep(SetupAction.ADMINISTRATOR, "events", f"this Mautic does not know {', '.join(unknown)}")
    if not ours:
        yield SetupStep(
            SetupAction.CREATE,
            "webhook",
            f"is missing: none goes to {wanted.hook_url}",
            lambda mautic: mautic.configuration.create_hook(wanted.hook),
        )
    else:
        yield from _hook(ours[0], wanted)
        yield from (_superfluous(each, ours[0]) for each in ours[1:])


def _is_ours(hook: PresentHook, wanted: Wanted) -> bool:
    """By its address; or by name and secret, when the address has changed. Another installation has other secrets."""
    return hook.url == wanted.hook_url or (hook.name == HOOK_NAME and hook.secret in wanted.secrets)


def _hook(hook: PresentHook, wanted: Wanted) -> Iterator[SetupStep]:
    what = f"webhook {hook.hook_id}"
    if faults := list(_faults(hook, wanted)):
        yield SetupStep(
            SetupAction.EDIT,
            what,
            "; ".join(faults),
            lambda mautic: mautic.configuration.correct_hook(hook, wanted.hook),
        )
    if not hook.owned:
        yield SetupStep(SetupAction.NOTE, f"{what}, owner", _NO_OWNER)


_NO_OWNER = (
    "was made through the API: Mautic can tell nobody when it switches it off, and the call that caused it fails; "
    "better: a user makes one in Mautic with this address and secret and deletes this one, then setup again"
)


def _faults(hook: PresentHook, wanted: Wanted) -> Iterator[str]:
    if hook.url != wanted.hook_url:
        yield f"goes to {hook.url} instead of {wanted.hook_url}"
    if hook.secret != wanted.secrets[0]:
        yield "is signed with another secret than the first of MAUTIC_WEBHOOK_SECRET"
    if surplus := hook.triggers - set(HOOK_EVENTS):
        yield f"asks for {', '.join(sorted(surplus))}, which do not exist or have no effect here"
    if missing := [name for name in HOOK_EVENTS if name not in hook.triggers]:
        yield f"does not ask for {', '.join(missing)}"
    if not hook.published:
        yield "is not published"
    if not hook.edited:
        yield "was never edited, so that Mautic switches it off after the first failed delivery"


def _superfluous(hook: PresentHook, kept: PresentHook) -> SetupStep:
    why = f"does what webhook {kept.hook_id} does: each event comes twice; delete it"
    return SetupStep(SetupAction.ADMINISTRATOR, f"webhook {hook.hook_id}", why)
