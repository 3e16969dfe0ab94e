"""What a request becomes for one person, before it is written: a row, and one delivery a channel."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.notifications.decisions import decide, urgency_of
from crm_relay.notifications.models import (
    ALL_CHANNELS,
    Channel,
    ChannelDecision,
    Notice,
    NotificationRequest,
    NotificationTemplate,
    Priority,
    Rendered,
    Urgency,
    Verdict,
)
from crm_relay.notifications.preferences import preference_of, reachable, without_digest
from crm_relay.platform.database import Row

DigestKey = tuple[UUID, str, datetime]
"""Person, channel, and when it leaves."""


@dataclass(frozen=True)
class Draft:
    """One notification of one person. `setting`: a row of `notification_setting`; `count`: events in its group.

    `also_on`: channels that earlier events of its group ask for.
    """

    id: UUID
    user_id: UUID
    request: NotificationRequest
    template: NotificationTemplate | None
    rendered: Rendered
    setting: Row
    count: int = 1
    raised_to: Urgency = Urgency.NORMAL
    also_on: tuple[Channel, ...] = ()

    @property
    def key(self) -> tuple[UUID, str]:
        return self.user_id, self.request.event_key

    @property
    def category(self) -> str:
        return category_of(self.request, self.template)

    @property
    def priority(self) -> Priority:
        default = Priority.NORMAL if self.template is None else self.template.default_priority
        return self.request.priority or default

    @property
    def is_critical(self) -> bool:
        return self.setting["is_critical"] or (self.template is not None and self.template.is_critical)

    @property
    def urgency(self) -> Urgency:
        return min(self.raised_to, urgency_of(self.priority, is_critical=self.is_critical))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that are asked for; each is held against the preference."""
        default = (Channel.IN_APP,) if self.template is None else self.template.default_channels
        return tuple(dict.fromkeys((*self.also_on, *(self.request.channels or default))))

    def notice(self, now: datetime) -> Notice:
        """As the gates look at it."""
        return Notice(
            channels=self.channels,
            urgency=self.urgency,
            created_at=now,
            contents=contents_of(self.rendered),
            reachable=reachable(self.setting),
            without_digest=without_digest(self.setting),
            expires_at=self.request.expires_at,
            is_user_active=self.setting["is_user_active"],
            unless_read_within=None if self.template is None else self.template.unless_read_within,
        )


def category_of(request: NotificationRequest, template: NotificationTemplate | None) -> str:
    """The template's: a person who left a category has left it, no matter who asks."""
    return template.category if template is not None else request.category or ""


def contents_of(rendered: Rendered) -> frozenset[Channel]:
    """The channels that there is a text for; Slack's is made of title, message and link."""
    texts = {Channel.EMAIL: rendered.email, Channel.SMS: rendered.sms}
    return ALL_CHANNELS - {channel for channel, text in texts.items() if text is None}


def grouped(drafts: Iterable[Draft]) -> list[Draft]:
    """Those of one person and group as one: the newest text of each channel, all their events and channels, and the
    urgency of the most urgent.
    """
    kept: dict[object, Draft] = {}
    for draft in drafts:
        group = draft.request.group_key
        key = draft.id if group is None else (draft.user_id, group)
        before = kept.get(key)
        if before is not None:
            draft = _joined(before, draft)
        kept[key] = draft
    return list(kept.values())


def _joined(before: Draft, newest: Draft) -> Draft:
    """A channel that the newest has no text for keeps the one before."""
    rendered = replace(
        newest.rendered,
        email=newest.rendered.email or before.rendered.email,
        sms=newest.rendered.sms or before.rendered.sms,
    )
    return replace(
        newest,
        rendered=rendered,
        count=before.count + 1,
        raised_to=min(before.urgency, newest.urgency),
        also_on=before.channels,
    )


@dataclass(frozen=True)
class DecidedDraft:
    """With what happens on each channel now."""

    draft: Draft
    decisions: tuple[ChannelDecision, ...]
    is_archived: bool

    @classmethod
    def of(cls, draft: Draft, now: datetime) -> "DecidedDraft":
        decisions = decide(draft.notice(now), preference_of(draft.setting), now)
        expires_at = draft.request.expires_at
        is_over = not draft.setting["is_user_active"] or (expires_at is not None and expires_at <= now)
        return cls(draft, decisions, is_over)

    @property
    def is_silent(self) -> bool:
        """Nothing announces the row."""
        in_app = next((each for each in self.decisions if each.channel is Channel.IN_APP), None)
        return in_app is None or in_app.is_silent

    def as_row(self, now: datetime) -> dict[str, Any]:
        """Of `notifications`."""
        draft, request, template = self.draft, self.draft.request, self.draft.template
        wait = None if template is None else template.unless_read_within
        return {
            "id": draft.id,
            "org_id": request.org_id,
            "user_id": draft.user_id,
            "title": draft.rendered.title,
            "message": draft.rendered.message,
            "type": request.type or ("info" if template is None else template.default_type),
            "category": draft.category,
            "entity_type": request.entity_type,
            "entity_id": request.entity_id,
            "action_url": draft.rendered.action_url,
            "action_label": request.action_label or (None if template is None else template.action_label),
            "channels": [channel.value for channel in draft.channels],
            "priority": draft.priority.value,
            "group_key": request.group_key,
            "expires_at": request.expires_at,
            "delivery_status": {each.channel.value: state_of(each) for each in self.decisions},
            "archived_at": now if self.is_archived else None,
            "template_slug": None if template is None else template.slug,
            "template_version": None if template is None else template.version,
            "event_key": request.event_key,
            "group_count": draft.count,
            "is_critical": draft.is_critical,
            "is_silent": self.is_silent,
            "unless_read_within": None if wait is None else int(wait.total_seconds() // 60),
        }

    def deliveries(
        self, notification_id: UUID, digests: Mapping[DigestKey, UUID], now: datetime
    ) -> Iterator[dict[str, Any]]:
        """Rows of `notification_deliveries`."""
        draft = self.draft
        for each in self.decisions:
            state = state_of(each)
            digest = _digest_key(draft.user_id, each)
            yield {
                "id": uuid4(),
                "notification_id": notification_id,
                "org_id": draft.request.org_id,
                "user_id": draft.user_id,
                "channel": each.channel.value,
                "category": draft.category,
                "lane": draft.urgency.value,
                "state": state,
                "reason": each.reason,
                "not_before": (each.not_before or now) if state in {"waiting", "digest"} else None,
                "digest_id": None if digest is None else digests[digest],
                "content": _content(each.channel, draft.rendered) if state in {"waiting", "digest"} else None,
                "left_at": now if state == "sent" else None,
                "setting_version": draft.setting["setting_version"],
            }

    @property
    def digests(self) -> dict[DigestKey, dict[str, Any]]:
        """Those that it joins, as rows of `notification_digests`."""
        draft = self.draft
        return {
            key: {
                "id": uuid4(),
                "org_id": draft.request.org_id,
                "user_id": draft.user_id,
                "channel": each.channel.value,
                "leaves_at": each.not_before,
                "reason": each.reason,
            }
            for each in self.decisions
            if (key := _digest_key(draft.user_id, each)) is not None
        }


def state_of(decision: ChannelDecision) -> str:
    """Of a delivery that is new."""
    if decision.verdict is Verdict.SEND:
        return "sent" if decision.channel is Channel.IN_APP else "waiting"
    return {Verdict.HOLD: "waiting", Verdict.DIGEST: "digest", Verdict.SKIP: "skipped"}[decision.verdict]


def _digest_key(user_id: UUID, decision: ChannelDecision) -> DigestKey | None:
    leaves_at = decision.not_before
    if decision.verdict is not Verdict.DIGEST or leaves_at is None:
        return None
    return user_id, decision.channel.value, leaves_at


def _content(channel: Channel, rendered: Rendered) -> dict[str, str] | None:
    if channel is Channel.EMAIL and rendered.email is not None:
        return {"subject": rendered.email.subject, "html": rendered.email.html, "text": rendered.email.text}
    if channel is Channel.SMS and rendered.sms is not None:
        return {"text": rendered.sms}
    return None
