"""Whether a person opened or clicked, or a machine that reads everybody's mail; pure, and with the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.providers.mautic.events import MauticEvent

MAX_BOUNCES = 3
"""The document's rule: so many bounces, and nothing is sent to the address any more."""

# Mail gateways fetch a mail's pictures and links while they take it in; a person needs longer than that.
_PREFETCH = timedelta(seconds=3)

# Parts of user agents, lower-case, of those that follow links before a person does.
_SCANNERS = {
    "barracuda": "a mail gateway's link check",
    "proofpoint": "a mail gateway's link check",
    "mimecast": "a mail gateway's link check",
    "symantec": "a mail gateway's link check",
    "trendmicro": "a mail gateway's link check",
    "forcepoint": "a mail gateway's link check",
    "fireeye": "a mail gateway's link check",
    "zscaler": "a mail gateway's link check",
    "ironport": "a mail gateway's link check",
    "safelinks": "a mail gateway's link check",
    "googleimageproxy": "an image proxy",
    "yahoomailproxy": "an image proxy",
    "preview": "a link preview",
    "facebookexternalhit": "a link preview",
    "slackbot": "a link preview",
    "whatsapp": "a link preview",
    "headless": "a browser without a screen",
    "phantomjs": "a browser without a screen",
    "bot": "a crawler",
    "crawler": "a crawler",
    "spider": "a crawler",
    "python": "a program, not a browser",
    "curl": "a program, not a browser",
    "wget": "a program, not a browser",
    "go-http-client": "a program, not a browser",
    "java/": "a program, not a browser",
    "okhttp": "a program, not a browser",
    "libwww": "a program, not a browser",
    "guzzlehttp": "a program, not a browser",
}


@dataclass(frozen=True)
class EngagementVerdict:
    """`is_machine` None: there was nothing to judge."""

    is_machine: bool | None
    reason: str | None


def judge(event: MauticEvent) -> EngagementVerdict:
    """Who did it: of opens and clicks only."""
    if event.kind == "open":
        return judge_open(event.sent_at, event.occurred_at, in_browser=event.in_browser)
    if event.kind == "click":
        return judge_click(event.user_agent, event.sent_at, event.occurred_at)
    return EngagementVerdict(None, None)


def judge_open(sent_at: datetime | None, opened_at: datetime, *, in_browser: bool) -> EngagementVerdict:
    """`sent_at` None: not known."""
    if in_browser:
        return EngagementVerdict(is_machine=False, reason="read in the browser")
    if _is_prefetch(sent_at, opened_at):
        return EngagementVerdict(is_machine=True, reason="fetched within 3 seconds of being sent")
    return EngagementVerdict(is_machine=False, reason="nothing speaks against a person")


def judge_click(user_agent: str | None, sent_at: datetime | None, clicked_at: datetime) -> EngagementVerdict:
    """`user_agent` None: the payload has no such field, as in the document's form; empty: none was sent."""
    if user_agent is not None and not user_agent.strip():
        return EngagementVerdict(is_machine=True, reason="no user agent")
    known = next((what for part, what in _SCANNERS.items() if part in (user_agent or "").lower()), None)
    if known is not None:
        return EngagementVerdict(is_machine=True, reason=known)
    if _is_prefetch(sent_at, clicked_at):
        return EngagementVerdict(is_machine=True, reason="followed within 3 seconds of being sent")
    return EngagementVerdict(is_machine=False, reason="nothing speaks against a person")


def judge_address(bounces: int, *, is_valid: bool) -> str:
    """What the bounces of an address have made of it."""
    if is_valid:
        return f"{bounces} of {MAX_BOUNCES} bounces"
    return f"muted after {bounces} bounces" if bounces >= MAX_BOUNCES else "muted as invalid, not by counted bounces"


def _is_prefetch(sent_at: datetime | None, at: datetime) -> bool:
    return sent_at is not None and timedelta(0) <= at - sent_at <= _PREFETCH
