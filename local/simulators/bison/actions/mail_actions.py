"""What happens to e-mails: sent, opened, answered, bounced, unsubscribed from."""

from __future__ import annotations

from local.simulators.bison.api import shapes
from local.simulators.bison.context import BisonContext
from local.simulators.bison.state import (
    BisonSending,
    SimulatedAccount,
    SimulatedCampaign,
    SimulatedLead,
    SimulatedReply,
    SimulatedWorkspace,
)
from local.simulators.bison.webhooks.events import EventOptions, EventSubject

PERMANENT = "550 5.1.1"
TEMPORARY = "451 4.7.1"
_DSN = """This is the mail system at host mx.example.net.

Your message could not be delivered to one or more recipients.

<{address}>: host mx.example.org[192.0.2.25] said: {code} <{address}>: {text}
    (in reply to RCPT TO command)

Reporting-MTA: dns; mx.example.net
Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {code} {text}
"""


class MailActions(BisonContext):
    def campaign(
        self,
        workspace: SimulatedWorkspace,
        name: str = "",
        *,
        open_tracking: bool = True,
        include_auto_replies: bool = True,
    ) -> SimulatedCampaign:
        with self.bison.lock:
            number = self.bison.next_id("campaign")
            made = SimulatedCampaign(number, workspace.id, name or f"Campaign {number}", self.bison.now())
            made.open_tracking, made.include_auto_replies = open_tracking, include_auto_replies
            self.bison.campaigns[number] = made
        return made

    def lead(self, workspace: SimulatedWorkspace, email: str | None = None) -> SimulatedLead:
        now = self.bison.now()
        with self.bison.lock:
            number = self.bison.next_id("lead")
            address = email or f"lead{number}@company{number}.example.org"
            made = SimulatedLead(
                number, workspace.id, address, "Lea", f"Lead {number}", "Example Ltd", "Buyer", now, now
            )
            self.bison.leads[number] = made
        return made

    def send_email(
        self,
        account: SimulatedAccount,
        lead: SimulatedLead | None = None,
        campaign: SimulatedCampaign | None = None,
        *,
        options: EventOptions | None = None,
    ) -> BisonSending:
        """To a new lead where none is named, in the workspace's first campaign; fires email_sent, and
        lead_first_contacted for a lead's first e-mail.
        """
        workspace = self.bison.workspaces[account.workspace_id]
        with self.bison.lock:
            own = (item for item in self.bison.campaigns.values() if item.workspace_id == workspace.id)
            campaign = campaign or next(own, None) or self.campaign(workspace)
            lead = lead or self.lead(workspace)
            number, first = self.bison.next_id("sending"), lead.counters["emails_sent"] == 0
            sending = BisonSending(
                number, workspace.id, account, lead, campaign, "A simulated e-mail", self.bison.now()
            )
            self.bison.sendings[number] = sending
            self._count(sending, emails_sent=1, total_leads_contacted=int(first))
            self._count_lead(lead, emails_sent=1)
        self._mailed("email_sent", sending, "sent", options)
        if first:
            self.first_contacted(sending, options=options)
        return sending

    def first_contacted(self, sending: BisonSending, *, options: EventOptions | None = None) -> None:
        """Fires lead_first_contacted and counts nothing; send_email does it by itself."""
        self._mailed("lead_first_contacted", sending, "sent", options)

    def manual_email(
        self, account: SimulatedAccount, lead: SimulatedLead | None = None, *, options: EventOptions | None = None
    ) -> SimulatedReply:
        """A message written by hand; not counted as sent (assumed); lead and campaign may be null [C]."""
        to = (lead.first_name, lead.email) if lead else ("Somebody", "somebody@example.org")
        mail = self._message(account, "By hand", "Written by hand.", (account.name, account.email), to)
        mail.folder, mail.type = "Sent", "Outgoing Email"
        self.fire(account.workspace_id, "manual_email_sent", EventSubject(account, lead, reply=mail), options)
        return mail

    def open(self, of: BisonSending | SimulatedAccount, *, options: EventOptions | None = None) -> None:
        """Needs open tracking on the campaign, else nothing is noticed [V]; fires email_opened each time (assumed)."""
        sending = self._sending(of, options)
        if not sending.campaign.open_tracking:
            return
        with self.bison.lock:
            first = int(sending.opens == 0)
            sending.opens += 1
            self._count(sending, opened=1, unique_opens=first)
            self._count_lead(sending.lead, opens=1, unique_opens=first)
        self._mailed("email_opened", sending, "opened", options)

    def reply(
        self,
        to: BisonSending | SimulatedAccount,
        text: str = "Tell me more.",
        *,
        automated: bool = False,
        html: str | None = None,
        options: EventOptions | None = None,
    ) -> SimulatedReply:
        """To this e-mail, or to the account's last one, which is sent first where there is none. Fires lead_replied;
        an automated one neither fires nor counts in a campaign that leaves auto replies out of its figures [V].
        """
        sending = self._sending(to, options)
        made = self._answered(sending, f"Re: {sending.subject}", text)
        made.automated, made.html = automated, html
        if automated and not sending.campaign.include_auto_replies:
            return made
        with self.bison.lock:
            first = int(sending.lead.counters["replies"] == 0)
            sending.replies, sending.status = sending.replies + 1, "replied"
            sending.lead.status = "replied"
            self._count(sending, replied=1, unique_replies=first)
            self._count_lead(sending.lead, replies=1, unique_replies=first)
        self._mailed("lead_replied", sending, "replied", options, made)
        return made

    def interested(
        self, of: SimulatedReply | BisonSending | SimulatedAccount, *, options: EventOptions | None = None
    ) -> SimulatedReply:
        """Marks a reply, made first where none is given; only the first marking of a lead counts and fires [1]."""
        made = of if isinstance(of, SimulatedReply) else self.reply(of, options=options)
        sending = made.sending
        if sending is None:
            raise ValueError("an untracked reply has no lead that could be interested")
        with self.bison.lock:
            made.interested, already = True, sending.lead.interested
            sending.interested = sending.lead.interested = True
            if not already:
                self._count(sending, interested=1)
                self._count_lead(sending.lead)
        if not already:
            self._mailed("lead_interested", sending, "interested", options, made)
        return made

    def bounce(
        self,
        of: BisonSending | SimulatedAccount,
        *,
        permanent: bool = True,
        code: str | None = None,
        options: EventOptions | None = None,
    ) -> SimulatedReply:
        """A delivery status notification as the reply, in folder "Bounced" [C]; its text is RFC 3464's (assumed).
        Fires email_bounced; that a temporary one counts too is assumed. `code`: "452 4.2.2" and the like.
        """
        sending = self._sending(of, options)
        code = code or (PERMANENT if permanent else TEMPORARY)
        made = self._answered(sending, "Undelivered Mail Returned to Sender", dsn(sending.lead.email, code))
        made.sender = ("Mail Delivery System", "mailer-daemon@mx.example.net")
        made.folder = made.type = "Bounced"
        with self.bison.lock:
            sending.status = sending.lead.status = "bounced"
            self._count(sending, bounced=1)
            self._count_lead(sending.lead, bounces=1)
        self._mailed("email_bounced", sending, "bounced", options, made)
        return made

    def unsubscribe(self, of: BisonSending | SimulatedAccount, *, options: EventOptions | None = None) -> BisonSending:
        """Fires lead_unsubscribed, once a lead (assumed)."""
        sending = self._sending(of, options)
        if sending.lead.status == "unsubscribed":
            return sending
        with self.bison.lock:
            sending.status = sending.lead.status = "unsubscribed"
            self._count(sending, unsubscribed=1)
            self._count_lead(sending.lead)
        self._mailed("lead_unsubscribed", sending, "unsubscribed", options)
        return sending

    def untracked_reply(
        self, account: SimulatedAccount, text: str = "Who are you?", *, options: EventOptions | None = None
    ) -> SimulatedReply:
        """Mail that belongs to no campaign e-mail [V]; counts nothing (assumed)."""
        sender = ("Una Known", "una.known@example.net")
        made = self._message(account, "A question", text, sender, (account.name, account.email))
        made.type = "Untracked Reply"
        self.fire(account.workspace_id, "untracked_reply_received", EventSubject(account, reply=made), options)
        return made

    # --- parts ----------------------------------------------------------------------------------------------------

    def _sending(self, of: BisonSending | SimulatedAccount, options: EventOptions | None) -> BisonSending:
        """The account's last e-mail in its workspace; one that has to be sent first is delivered in the same way."""
        if isinstance(of, BisonSending):
            return of
        with self.bison.lock:
            mine = (item for item in reversed(self.bison.sendings.values()) if item.account is of)
            found = next((item for item in mine if item.workspace_id == of.workspace_id), None)
        return found or self.send_email(of, options=options)

    def _answered(self, sending: BisonSending, subject: str, text: str) -> SimulatedReply:
        lead, account = sending.lead, sending.account
        sender = (f"{lead.first_name} {lead.last_name}", lead.email)
        made = self._message(account, subject, text, sender, (account.name, account.email))
        made.sending = sending
        return made

    def _message(
        self, account: SimulatedAccount, subject: str, text: str, sender: tuple[str, str], recipient: tuple[str, str]
    ) -> SimulatedReply:
        with self.bison.lock:
            number, now = self.bison.next_id("reply"), self.bison.now()
            made = SimulatedReply(number, account.workspace_id, account, subject, text, sender, recipient, now)
            self.bison.replies[number] = made
        return made

    def _mailed(
        self,
        event: str,
        sending: BisonSending,
        kind: str,
        options: EventOptions | None,
        reply: SimulatedReply | None = None,
    ) -> None:
        occurred = shapes.campaign_event(self.bison.next_id("campaign_event"), kind, self.bison.now())
        subject = EventSubject(sending.account, sending.lead, sending.campaign, sending, reply, occurred)
        self.fire(sending.workspace_id, event, subject, options)

    def _count(self, sending: BisonSending, **more: int) -> None:
        """On the account and on the campaign; `updated_at` of neither moves (assumed)."""
        shapes.count(sending.account.counters, **more)
        shapes.count(sending.campaign.counters, **more)

    def _count_lead(self, lead: SimulatedLead, **more: int) -> None:
        for name, number in more.items():
            lead.counters[name] += number
        lead.modified = self.bison.now()


def dsn(address: str, code: str) -> str:
    permanent = code.startswith("5")
    text = "Recipient address rejected: User unknown" if permanent else "Temporarily deferred, try again later"
    status, action = code.split()[-1], "failed" if permanent else "delayed"
    return _DSN.format(address=address, code=code, text=text, status=status, action=action)
