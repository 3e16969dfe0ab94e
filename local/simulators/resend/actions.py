"""What befalls a mail, a contact or the inbox; each becomes an event that waits to be delivered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from local.simulators.resend.state import Inbound, ResendAccount, SimulatedMail, bare, new_id
from local.simulators.resend.webhooks import events
from local.simulators.resend.webhooks.delivery import HookMessage, ResendWebhooks
from local.simulators.resend.webhooks.events import HUMAN
from local.simulators.resend.wire import Json

# What the control address can do with a mail by name.
ON_A_MAIL = ("delivered", "delayed", "opened", "clicked", "bounced", "complained", "was_suppressed", "failed")


class Actions:
    def __init__(self, account: ResendAccount) -> None:
        self.account = account
        self.webhooks = ResendWebhooks(account)

    def mail_to(self, address: str) -> SimulatedMail:
        """The last one that this address was sent. Raises KeyError where there is none."""
        with self.account.lock:
            found = next((m for m in reversed(self.account.mails.values()) if bare(address) in m.recipients), None)
        if found is None:
            raise KeyError("no mail to this address")
        return found

    def delivered(self, mail: SimulatedMail) -> HookMessage:
        return self._about(mail, "delivered")

    def delayed(self, mail: SimulatedMail) -> HookMessage:
        return self._about(mail, "delivery_delayed")

    def opened(self, mail: SimulatedMail, *, user_agent: str | None = None) -> HookMessage:
        """Nothing is told of who opened [D]; with `user_agent` the older form with `open` is sent."""
        part = {} if user_agent is None else {"open": events.click("", user_agent, self.account.clock.now())}
        part.get("open", {}).pop("link", None)
        return self._about(mail, "opened", **part)

    def clicked(
        self, mail: SimulatedMail, link: str = "https://www.example.com/offer", *, user_agent: str = HUMAN
    ) -> HookMessage:
        """`user_agent`: events.HUMAN, events.SCANNER or any other."""
        return self._about(mail, "clicked", click=events.click(link, user_agent, self.account.clock.now()))

    def bounced(
        self, mail: SimulatedMail, kind: str = "Permanent", sub_type: str | None = None, *, codes_as_text: bool = False
    ) -> HookMessage:
        """A permanent one puts the address on the suppression list [D]."""
        message = self._about(mail, "bounced", bounce=events.bounce(mail, kind, sub_type, codes_as_text=codes_as_text))
        if kind == "Permanent":
            self._suppress_all(mail, "bounce")
        return message

    def complained(self, mail: SimulatedMail) -> HookMessage:
        """It puts the address on the suppression list [D]."""
        message = self._about(mail, "complained")
        self._suppress_all(mail, "complaint")
        return message

    def was_suppressed(self, mail: SimulatedMail, reason: str | None = "previous_bounce") -> HookMessage:
        """`reason` None: the form without it, which is the documentation's example."""
        return self._about(mail, "suppressed", suppressed=events.suppressed(mail, reason))

    def failed(self, mail: SimulatedMail, reason: str = "reached_daily_quota") -> HookMessage:
        return self._about(mail, "failed", failed={"reason": reason})

    def contact_updated(self, email: str, *, unsubscribed: bool) -> HookMessage:
        return self.webhooks.publish(*events.contact(email, unsubscribed, self.account.clock.now()))

    def topics_updated(self, email: str, changed: Iterable[tuple[str, bool]]) -> HookMessage:
        return self.webhooks.publish(*events.topics(email, changed))

    def suppress(self, email: str, origin: str = "manual", source_id: str | None = None) -> HookMessage:
        with self.account.lock:
            self.account.suppressed[bare(email)] = origin
        return self.webhooks.publish(*events.suppression(email, origin, source_id, self.account.clock.now()))

    def receive(
        self,
        sender: str,
        to: str | Iterable[str],
        subject: str = "Re: hello",
        *,
        text: str = "Thank you.",
        headers: Mapping[str, str] | None = None,
        cc: Iterable[str] = (),
    ) -> Inbound:
        """A mail comes in. `headers` such as In-Reply-To and Auto-Submitted."""
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        recipients = (to,) if isinstance(to, str) else tuple(to)
        mail = Inbound(new_id(), sender, recipients, subject, text, lower, self.account.clock.now(), tuple(cc))
        with self.account.lock:
            self.account.inbound[mail.id] = mail
        self.webhooks.publish(*events.received(mail))
        return mail

    def reply(
        self, mail: SimulatedMail, *, text: str = "Thank you.", headers: Mapping[str, str] | None = None
    ) -> Inbound:
        """The recipient answers to the mail's reply_to, else to its sender."""
        to = mail.payload.get("reply_to") or mail.payload["from"]
        answered = {"In-Reply-To": mail.message_id, "References": mail.message_id, **(headers or {})}
        return self.receive(mail.to[0], to, f"Re: {mail.payload.get('subject', '')}", text=text, headers=answered)

    def unknown_event(self, event: str = "mailbox.teleported", data: Json | None = None) -> HookMessage:
        """An event that no document names; it goes to every webhook."""
        message = self.webhooks.publish(event, data or {"id": new_id()})
        with self.account.lock:
            for hook in self.account.hooks.values():
                hook.events.append(event)
                message.due[hook.id] = message.at
        return message

    def _about(self, mail: SimulatedMail, event: str, **parts: Json) -> HookMessage:
        with self.account.lock:
            mail.last_event = event
        return self.webhooks.publish(*events.about_mail(mail, event, **parts))

    def _suppress_all(self, mail: SimulatedMail, origin: str) -> None:
        for address in mail.recipients:
            self.suppress(address, origin, mail.id)
