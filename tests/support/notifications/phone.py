"""A provider of text messages that keeps what it was given, with troubles that a test orders."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.providers.answers import Later, Refused, Taken, TextAnswer, Unclear
from crm_relay.providers.text import TextMessage
from tests.support.notifications.notification_harness import NotificationHarness

TEXT = "Hello {{task.title}}"


@dataclass
class Phone:
    """`sent`: number and text of every message that left. Of `troubles` the next one is answered with.

    `unclear_sent` and `unclear_lost`: the answer does not come; the first has left all the same.
    """

    name: str = "twilio"
    sent: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def send(self, to: str, body: str) -> TextAnswer:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble in {None, "unclear_sent"}:
            self.sent.append((to, body))
        if trouble is None:
            return Taken(f"SM{len(self.sent)}", "queued")
        if trouble == "refused":
            return Refused("21211")
        return Later("busy", 5.0) if trouble == "later" else Unclear("no answer")

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
        for place, message in enumerate(self.sent, 1):
            if message == (to, body) and f"SM{place}" not in known:
                return TextMessage(f"SM{place}", "sent", since)
        return None


def plant_text_template(crew: NotificationHarness) -> None:
    """An organization's template whose text message says the title; its slug is `text`."""
    crew.rows(
        """insert into notification_templates (
               org_id, name, slug, category, title_template, message_template, sms_template, default_channels, variables
           ) values (
               :org, 'Text', 'text', 'assignment', 'Hello', 'You', :text, '["in_app", "sms", "push"]',
               '[{"name": "task.title"}]'
           )""",
        org=crew.org,
        text=TEXT,
    )
